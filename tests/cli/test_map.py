"""`ipc map`: what real processes do is in the picture, in its place; hostile names stay text; noise is folded."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import ExitStack
from importlib.resources import files

import pytest
from click.testing import CliRunner

from unixipc import Fifo, FileLock, fork, inspector, pipe, sockets
from unixipc.cli import map as map_module
from unixipc.cli.group import ipc
from unixipc.cli.picture import layout

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 60
SVG = "{http://www.w3.org/2000/svg}"

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


def drawn(*words, status=0, **options):
    done = subprocess.run(
        [*IPC, "map", *map(str, words)], capture_output=True, text=True, timeout=LIMIT_S, check=False, **options
    )
    assert done.returncode == status, done.stderr
    return done


def picture(*words):
    """As values, with the nodes by their keys."""
    found = json.loads(drawn(*words, "--json").stdout)
    return found | {"by": {node["key"]: node for node in found["nodes"]}}


def uses(found, pid):
    """What this process does with which kinds."""
    return {(link["thing"].partition(":")[0], how) for link in found["links"] for how in link["hows"]
            if link["process"] == f"process:{pid}"}  # fmt: skip


@pytest.fixture(scope="module")
def everybody(town):
    """A picture of the whole town, each process by itself."""
    return picture(*town.everybody, "--depth", 1)


def test_every_planted_process_is_there_with_what_it_does(town, everybody):
    pids = {node["members"][0] for node in everybody["nodes"] if node["role"] == "process"}
    assert pids == {str(pid) for pid in town.everybody}
    expected = {
        "tail": {("pipe", "writes")},
        "grep": {("pipe", "reads"), ("pipe", "waits for"), ("pipe", "writes")},
        "worker": {("channel", "reads"), ("channel", "waits for"), ("topic", "writes")},
        "scheduler": {("channel", "writes")},
        "collector": {("topic", "reads"), ("topic", "waits for")},
        "web": {("socket", "holds"), ("socket", "waits for")},
        "gateway": {("socket", "holds")},
        "importer": {("lock", "waits for")},
        "backup": {("lock", "holds")},
        "cron": {("fifo", "writes")},
        "camera": {("posix-memory", "maps")},
        "ledger": {("lock", "holds"), ("sysv-set", "waits for")},
    }
    assert {name: uses(everybody, town.pids[name][0]) for name in expected} == expected


def test_names_are_those_that_people_gave(town, everybody):
    labels = {(node["kind"], node["label"]) for node in everybody["nodes"]}
    folder = town.folder
    assert {("lock", f"{folder}/database.lock"), ("fifo", f"{folder}/events.fifo"),
            ("channel", f"jobs-{folder.name}"), ("posix-memory", f"/frames-{folder.name}"),
            ("socket", f"{folder}/app.sock"), ("process", "uploader")} <= labels  # fmt: skip
    assert [label for kind, label in labels if kind == "sysv-set" and label.startswith("0x0dea")]


def test_a_deadlock_is_a_circle_and_marked(town, everybody):
    pids = [town.pids[name][0] for name in ("billing", "ledger", "auditor")]
    (circle,) = everybody["circles"]
    assert set(circle["keys"]) > {f"process:{pid}" for pid in pids} and len(circle["keys"]) == 6
    assert len(circle["steps"]) == 3 and all(str(pid) in " ".join(circle["steps"]) for pid in pids)
    assert {everybody["by"][key]["state"] for key in circle["keys"]} == {"stuck"}
    assert sum(link["stuck"] for link in everybody["links"]) == 6
    done = drawn(pids[0], "--format", "svg")
    assert "deadlock" in done.stderr
    drawing = ET.fromstring(done.stdout)
    stuck = [each for each in drawing.iter(f"{SVG}g") if "stuck" in words_of(each)]
    assert {each.get("data-key") for each in stuck if each.get("data-key")} == set(circle["keys"])
    assert len([each for each in stuck if each.get("data-process")]) == 6


def words_of(element):
    return set((element.get("class") or "").split())


def test_who_waits_for_a_lock_is_told_from_who_reads_what_may_come(town, everybody):
    state = {name: everybody["by"][f"process:{town.pids[name][0]}"]["state"] for name in ("importer", "grep", "backup")}
    assert state == {"importer": "waits", "grep": "", "backup": ""}


def test_likely_is_said(town, everybody):
    (link,) = [each for each in everybody["links"] if each["process"] == f"process:{town.pids['billing'][0]}"
               and each["thing"].startswith("sysv-set")]  # fmt: skip
    assert not link["sure"] and "last" in link["details"][0]


def places(text):
    """Where each node is, and how large."""
    found = {}
    for group in ET.fromstring(text).iter(f"{SVG}g"):
        if group.get("data-key"):
            x, y = (float(word) for word in re.findall(r"-?[\d.]+", group.get("transform")))
            box = group.findall(f"{SVG}rect")[-1]
            found[group.get("data-key")] = (x, y, float(box.get("width")), float(box.get("height")))
    return found


def test_a_pipeline_and_a_lock_read_from_left_to_right(town, everybody):
    at = places(drawn(*town.everybody, "--depth", 1, "--format", "svg").stdout)
    assert set(at) == set(everybody["by"])
    chain = [at[f"process:{town.pids[name][0]}"][0] for name in ("tail", "grep", "awk", "uploader")]
    assert chain == sorted(chain)
    for link in everybody["links"]:
        process, thing = at[link["process"]][0], at[link["thing"]][0]
        if not link["stuck"]:  # a circle has one way back
            assert (process < thing) == link["leads"], link
    lock = next(key for key, node in everybody["by"].items() if node["label"].endswith("database.lock"))
    waiter, holder = (at[f"process:{town.pids[name][0]}"][0] for name in ("importer", "backup"))
    assert waiter < at[lock][0] < holder


def test_no_box_is_on_another_and_every_label_fits(town):
    text = drawn(*town.everybody, "--depth", 1, "--format", "svg").stdout
    boxes = list(places(text).values())
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[:number]:
            assert abs(x - other_x) >= (width + other_width) / 2 or abs(y - other_y) >= (height + other_height) / 2
    for group in ET.fromstring(text).iter(f"{SVG}g"):
        if group.get("data-key"):
            width = float(group.findall(f"{SVG}rect")[-1].get("width"))
            assert all(len(each.text) * 6.2 < width for each in group.findall(f"{SVG}text"))


def test_workers_that_are_alike_are_one_box_and_all_shows_each(town):
    scheduler = town.pids["scheduler"][0]
    found = picture(scheduler, "--depth", 2)
    (workers,) = [node for node in found["nodes"] if node["label"] == "worker"]
    assert workers["count"] == 8 and set(workers["members"]) == {str(pid) for pid in town.pids["worker"]}
    (link,) = [
        each for each in found["links"] if each["process"] == workers["key"] and each["thing"].startswith("channel")
    ]
    assert link["count"] == 8
    apart = picture(scheduler, "--depth", 2, "--all")
    assert len([node for node in apart["nodes"] if node["label"] == "worker"]) == 8
    named = picture(town.pids["worker"][3], "--depth", 1)  # who was asked for is by itself
    assert sorted(node["count"] for node in named["nodes"] if node["label"] == "worker") == [1, 7]


def test_connections_of_one_server_at_one_name_are_one_object(town):
    found = picture(town.pids["gateway"][0], "--depth", 1)
    (socket,) = [node for node in found["nodes"] if node["kind"] == "socket"]
    assert len(socket["members"]) == 1 + 2 * 5  # the listener, both ends of five connections
    assert {node["label"]: node["count"] for node in found["nodes"] if node["role"] == "process"} == {
        "gateway": 1, "web": 4, "probe": 1,
    }  # fmt: skip


def test_the_two_ends_of_a_socket_pair_are_one_object_and_own_pipes_are_noise():
    ours, theirs = sockets.pair()
    own = pipe()
    ready, to_us = pipe()

    def child():
        ours.close(), own[0].close(), own[1].close()
        with ExitStack() as kept:
            for end in pipe():
                kept.enter_context(end)
            to_us.write_all(b"x")
            theirs.read(1)

    with fork(child) as process, ours, own[0], own[1], ready:
        theirs.close(), to_us.close()
        assert ready.read(1, timeout=LIMIT_S)
        found = picture(process.pid, "--depth", 2)
        assert {node["kind"] for node in found["nodes"]} >= {"process", "socket"}
        (socket,) = [node for node in found["nodes"] if len(node["members"]) == 2 and node["kind"] == "socket"]
        assert {link["process"] for link in found["links"] if link["thing"] == socket["key"]} == {
            f"process:{process.pid}", f"process:{os.getpid()}",
        }  # fmt: skip
        folded = {each for node in picture(process.pid, "--all", "--depth", 2)["nodes"] for each in node["members"]}
        shown = {each for node in found["nodes"] for each in node["members"]}
        inodes = {f"pipe:{os.fstat(end.fileno()).st_ino}" for end in own}
        assert inodes <= folded and not inodes & shown and found["folded"] > 0
        process.kill()
        process.wait(timeout=LIMIT_S)


def test_waits_shows_only_who_waits_for_somebody(town):
    pids = [town.pids[name][0] for name in ("importer", "billing", "grep")]
    found = picture(*pids, "--waits", "--depth", 3)
    labels = {node["label"] for node in found["nodes"] if node["role"] == "process"}
    assert labels == {"importer", "backup", "billing", "ledger", "auditor"}


def test_kind_and_mine(town):
    found = picture(*town.everybody, "--kind", "lock", "--kind", "posix", "--depth", 1)
    assert {node["kind"] for node in found["nodes"]} == {"process", "lock", "posix-memory"}
    assert "importer" in {node["label"] for node in picture(town.pids["backup"][0], "--mine", "--depth", 1)["nodes"]}


def test_a_thing_has_many_names(town):
    by_path = picture(town.folder / "database.lock", "--depth", 1)
    by_id = picture(next(node["members"][0] for node in by_path["nodes"] if node["kind"] == "lock"), "--depth", 1)
    for found in (by_path, by_id):
        assert {node["label"] for node in found["nodes"] if node["role"] == "process"} == {"backup", "importer"}
    by_command = picture("uploader", "--depth", 1)
    assert {node["label"] for node in by_command["nodes"] if node["role"] == "process"} >= {"awk", "uploader"}


def test_what_is_not_there_is_status_1_and_says_so(tmp_path):
    alone = tmp_path / "alone"
    alone.touch()
    for thing, word in (("/nowhere/at/all", "no object"), (alone, "nobody"), ("999999999", "999999999")):
        done = drawn(thing, status=1)
        assert done.stdout == "" and word in done.stderr and done.stderr.startswith("ipc: ")


def test_dot_is_what_graphviz_reads(town):
    text = drawn(*town.everybody, "--depth", 1).stdout  # into a pipe goes DOT
    assert text.startswith("digraph ipc {") and text.endswith("}\n")
    nodes, edges = read_dot(text)
    found = picture(*town.everybody, "--depth", 1)
    assert nodes == len(found["nodes"]) and edges == len(found["links"])
    assert text.count('color="#c8102e", penwidth="2.2"') == 6 and 'style="dashed"' in text


def read_dot(text):
    """How many nodes and edges dot(1) finds; without it, those in lines of a name, or two, and quoted values."""
    if shutil.which("dot"):
        plain = subprocess.run(
            ["dot", "-Tplain"], input=text, capture_output=True, text=True, timeout=LIMIT_S, check=True
        )
        assert plain.stderr == ""
        first = [line.split(" ", 1)[0] for line in plain.stdout.replace("\\\n", "").splitlines()]
        return first.count("node"), first.count("edge")
    value = r'\w+=(?:"(?:[^"\\\n]|\\.)*"|[\w.]+)'
    attributes = rf"\[{value}(?:, {value})*\];"
    lines = text.splitlines()[1:-1]
    assert all(re.fullmatch(rf"  (?:\w+|n\d+ -> n\d+) {attributes}", line) for line in lines)
    return sum(bool(re.match(r"  n\d+ \[", line)) for line in lines), sum(" -> " in line for line in lines)


COMMAND = "</script><svg o"
FILE = """<svg onload=alert(1)>"'\\n\\\n\x1b[31m\x7f\u202e&amp;]]>--><!-- {{facts}}\udcff.lock"""
SOCKET = "@</script><svg onload=alert(1)>"


@pytest.fixture
def hostile(tmp_path, until):
    """A process, a lock and a socket with names that are meant to be taken for something else."""
    path = str(tmp_path / FILE)

    def wait():
        with open("/proc/self/comm", "w") as comm:
            comm.write(COMMAND)
        with sockets.connect(SOCKET):
            FileLock(path).acquire()

    with FileLock(path), sockets.listen(SOCKET) as listener, fork(wait) as process, listener.accept(timeout=LIMIT_S):
        until(lambda: [wait for wait in inspector.why(process.pid).waits if wait.kind == "lock"])
        yield process.pid, path
        process.kill()
        process.wait(timeout=LIMIT_S)


def test_hostile_names_are_text_everywhere(hostile, tmp_path):
    pid, path = hostile
    drawing = drawn(pid, "--format", "svg").stdout
    root = ET.fromstring(drawing)
    assert not list(root.iter(f"{SVG}script")) and not [each for each in root.iter() if each.get("onload")]
    labels = {each.text for each in root.iter(f"{SVG}text")}
    assert COMMAND in labels and [each for each in labels if each.startswith("@</script>")]
    assert not [each for each in labels if "\x1b" in each or "\u202e" in each]
    page = tmp_path / "page.html"
    drawn(pid, "-o", page)
    text = page.read_text()
    assert len(re.findall(r"</script", text, re.I)) == len(re.findall(r"<script", text, re.I)) == 2
    assert "<svg onload" not in text and "\x1b" not in text and "\u202e" not in text
    facts = json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.S)[1])
    assert {COMMAND, SOCKET} <= {node["label"] for node in facts["nodes"]}
    nodes, edges = read_dot(drawn(pid).stdout)
    assert nodes == len(facts["nodes"]) and edges == len(facts["links"])
    assert json.loads(drawn(pid, "--json").stdout)["nodes"]
    assert os.path.exists(path)


def test_where_it_goes_and_in_which_format(town, tmp_path):
    pid = town.pids["tail"][0]
    starts = {"html": "<!DOCTYPE html>", "svg": "<svg ", "dot": "digraph", "json": "{"}
    for ending, start in starts.items():
        path = tmp_path / f"map.{ending}"
        assert drawn(pid, "-o", path).stdout == ""
        assert path.read_text().startswith(start)
        assert drawn(pid, "--format", ending, "-o", "-").stdout.startswith(start)
    odd = tmp_path / "odd"
    assert "--format" in drawn(pid, "-o", odd, status=2).stderr and not odd.exists()
    drawn(pid, "-o", odd, "--format", "svg")
    assert odd.read_text().startswith("<svg")
    assert "No such file" in drawn(pid, "-o", tmp_path / "no" / "map.svg", status=1).stderr
    assert "--open" in drawn(pid, "-o", odd, "--format", "svg", "--open", status=2).stderr


def test_at_a_terminal_a_page_is_written_and_named(town, tmp_path):
    leader, follower = os.openpty()
    with os.fdopen(leader, "rb", buffering=0) as ours:
        try:
            drawn_at = subprocess.run(
                [*IPC, "map", str(town.pids["tail"][0])], stdout=follower, stderr=subprocess.PIPE,
                env=os.environ | {"TMPDIR": str(tmp_path)}, timeout=LIMIT_S, check=True,
            )  # fmt: skip
        finally:
            os.close(follower)
        (page,) = tmp_path.iterdir()
        assert ours.read(4096).decode().strip() == str(page) and b"processes" in drawn_at.stderr
    assert page.read_text().startswith("<!DOCTYPE html>") and page.stat().st_mode & 0o777 == 0o600


def test_open_shows_the_page_in_the_browser(town, tmp_path):
    browser, shown = tmp_path / "browser", tmp_path / "shown"
    browser.write_text(f'#!/bin/sh\necho "$1" > {shown}\n')
    browser.chmod(0o755)
    page = tmp_path / "map.html"
    drawn(town.pids["tail"][0], "-o", page, "--open", env=os.environ | {"BROWSER": str(browser)})
    assert shown.read_text().strip() == page.as_uri()


def test_who_talks_to_nobody_is_told_so():
    nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    with subprocess.Popen(["sleep", "60"], **nothing) as process:
        told = drawn(process.pid, "--depth", 1, status=1)
        process.kill()
    assert "nobody else" in told.stderr and told.stdout == ""


def test_what_is_left_out_is_said(town):
    done = drawn(town.pids["tail"][0], "-o", "-", "--format", "svg")
    line = next(line for line in done.stderr.splitlines() if "left out" in line)
    assert "--all" in line and "left out" in "".join(ET.fromstring(done.stdout).itertext())


def test_other_users_processes_are_counted_as_hidden(as_nobody, town):
    def look():
        told = CliRunner().invoke(ipc, ["map", "--json", str(os.getpid())])
        everything = CliRunner().invoke(ipc, ["map", "--json", "--mine"])
        found = json.loads(everything.stdout)
        assert found["hidden"] >= len(town.everybody), told.output
        assert "root may see" in everything.stderr

    as_nobody(look)


def test_without_the_layout_it_says_what_to_install_and_dot_still_works(town):
    code = (
        "import sys; sys.modules['graphlay'] = None\n"
        f"sys.argv = ['ipc', 'map', '{town.pids['tail'][0]}', *sys.argv[1:]]\n"
        "from unixipc.cli.main import run\nrun()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--format", "svg"], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 1 and 'pip install "unixipc[cli]"' in done.stderr and done.stdout == ""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout.startswith("digraph")


def test_too_many_for_a_picture_is_an_error_with_the_way_out(town, monkeypatch):
    monkeypatch.setattr(map_module, "MOST", 3)
    told = CliRunner().invoke(ipc, ["map", str(town.pids["tail"][0]), "--format", "svg"])
    assert told.exit_code == 1 and "--waits" in told.stderr and "too many" in told.stderr


def test_a_thicket_is_an_error_with_the_way_out(town, monkeypatch):
    monkeypatch.setitem(layout.OPTIONS, "limits", {"max_dummies": 0})
    told = CliRunner().invoke(ipc, ["map", *map(str, town.everybody), "--depth", "1", "--format", "svg"])
    assert told.exit_code == 1 and "--waits" in told.stderr and "too much for a picture" in told.stderr


def test_a_fifo_that_nobody_opens_is_shown_with_who_waits(tmp_path, until):
    path = tmp_path / "lonely"
    Fifo.create(path).close()
    opener = "import sys; open(sys.argv[1])"
    with subprocess.Popen([sys.executable, "-c", opener, str(path)]) as process:
        until(lambda: "opens" in str(inspector.why(process.pid).waits))
        found = picture(process.pid, "--depth", 1)
        process.kill()
    (fifo,) = [node for node in found["nodes"] if node["kind"] == "fifo"]
    assert uses(found, process.pid) >= {("fifo", "waits for")} and fifo["label"]


def test_the_files_of_the_page_are_installed():
    there = {each.name for each in files("unixipc.cli.picture").iterdir()}
    assert {"svg.css", "page.css", "page.js", "page.html"} <= there


def test_the_help_says_what_how_and_with_which_status():
    told = CliRunner().invoke(ipc, ["map", "--help"])
    assert told.exit_code == 0
    assert "Examples:" in told.output and "Exit status:" in told.output and "--json" in told.output


def test_nothing_in_the_page_leads_elsewhere():
    for name in ("svg.css", "page.css", "page.js", "page.html"):
        text = files("unixipc.cli.picture").joinpath(name).read_text()
        assert not re.search(r"https?:|//cdn|@import|url\(|fetch\(|XMLHttp|innerHTML", text), name
