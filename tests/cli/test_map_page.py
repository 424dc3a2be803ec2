"""The page of `ipc map` in a real browser: point, filter, follow, go back; by mouse and by keys; 200 processes too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .browser import PROGRAM, Browser
from .conftest import running_town

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 60
SHOTS = os.environ.get("IPC_MAP_SHOTS")
"""A folder for pictures of the browser, for people to look at."""

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium (apt install chromium)"),
    pytest.mark.usefixtures("own_ipc_namespace"),
]


def map_of(town, path, *words):
    """A page of the whole town."""
    command = [*IPC, "map", *map(str, words), "-o", path]
    subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=True)
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def drawn(town, tmp_path_factory):
    """The town; workers are alike, as nobody asked for them."""
    others = [pid for name, pids in town.pids.items() if name not in ("worker", "web") for pid in pids]
    return map_of(town, tmp_path_factory.mktemp("page") / "map.html", *others, "--depth", 1)


@pytest.fixture
def page(chromium, drawn):
    """Freshly opened; whatever a test does, the page says nothing on its console and asks nobody for anything."""
    chromium.events.clear()
    chromium.open(drawn)
    chromium.until("trail.length === 0 && drawing.querySelectorAll('.node').length > 0")
    yield chromium
    assert chromium.complaints() == []
    assert set(chromium.requests()) <= {drawn.as_uri()}


def named(label):
    """The node with this name, as an expression."""
    return f"[...nodes.values()].find((node) => node.label === {json.dumps(label)})"


def middle(browser, label):
    """Where it is on the screen."""
    box = browser.value(
        "(({x, y, width, height}) => [x + width / 2, y + height / 2])"
        f"({named(label)}.element.querySelector('.box:last-of-type').getBoundingClientRect())"
    )
    assert 0 < box[0] < 1400 and 0 < box[1] < 900, box
    return box


def shown(browser, class_name="away", inverted=True):
    """Labels of the nodes without (or with) this class."""
    return set(
        browser.value(
            "[...nodes.values()].filter((node) =>"
            f" node.element.classList.contains('{class_name}') !== {str(inverted).lower()}).map((node) => node.label)"
        )
    )


def card(browser):
    return browser.value("card.innerText")


def test_pointing_shows_the_facts_and_lights_the_neighbours(page, town):
    page.mouse(*middle(page, "grep"))
    page.until("drawing.classList.contains('lighting')")
    lit = shown(page, "lit", False)
    assert "grep" in lit and len(lit) == 3  # and its two pipes
    text = card(page)
    assert str(town.pids["grep"][0]) in text and "reads" in text and "writes" in text and "town.py" in text
    shoot(page, "pointing")
    page.mouse(1395, 895)
    page.until("!drawing.classList.contains('lighting')")
    assert "Point at something" in card(page)


def test_pointing_at_a_line_says_what_it_is(page):
    way = page.value(
        "(() => { const line ="
        " links.find((link) => link.hows.includes('writes') && nodes.get(link.process).label === 'tail')"
        ".element.querySelector('.line'); const at = line.getPointAtLength(line.getTotalLength() / 2)"
        ".matrixTransform(line.getScreenCTM()); return [at.x, at.y]; })()"
    )
    page.mouse(*way)
    page.until("drawing.classList.contains('lighting')")
    assert card(page).startswith("tail") and "writes pipe" in card(page)


def test_the_filter_finds_by_name_kind_state_and_use(page, town):
    for words, found in (("upload", {"uploader"}), (str(town.pids["awk"][0]), {"awk"}), ("importer", {"importer"}),
                         ("circle process", {"billing", "ledger", "auditor"}), ("worker 8", {"worker"})):  # fmt: skip
        page.value("field.value = '', field.focus()")
        page.type(words)
        page.until("drawing.classList.contains('sifting')")
        hits = shown(page, "hit", False)
        assert found <= hits and len(hits) < 8, (words, hits)
        assert page.value("document.getElementById('found').textContent").endswith("found")
    page.value("field.value = '', field.focus()")
    page.type("fifo writes")
    assert {"cron", "mailer"} & shown(page, "near", False)
    shoot(page, "filter")
    page.key("Escape")
    page.until("field.value === '' && !drawing.classList.contains('sifting')")


def test_kinds_and_uses_can_be_switched_off(page):
    before = shown(page)
    page.value("document.querySelector('#kinds input[value=lock]').click()")
    gone = before - shown(page)
    assert "backup" in gone and "importer" in gone and "ledger" not in gone
    page.value("document.querySelector('#kinds input[value=lock]').click()")
    page.value("document.querySelector('#hows input[value=maps]').click()")
    assert before - shown(page) >= {"camera", "viewer"}
    page.value("document.querySelector('#hows input[value=maps]').click()")
    assert shown(page) == before


def test_following_shows_the_neighbourhood_and_back_leads_back(page):
    before = shown(page)
    page.click(*middle(page, "worker"))
    page.until("trail.length === 1")
    around = shown(page)
    assert {"worker", "scheduler", "collector"} <= around and "grep" not in around and len(around) == 5
    assert page.value("document.getElementById('trail').innerText").split("\n")[-1].startswith("worker")
    assert "%" in page.value("location.hash") or "process" in page.value("location.hash")
    shoot(page, "followed")
    page.click(*middle(page, "collector"))
    page.until("trail.length === 2")
    assert "scheduler" not in shown(page)
    page.value("history.back()")
    page.until("trail.length === 1")
    assert shown(page) == around
    page.value("history.back()")
    page.until("trail.length === 0")
    assert shown(page) == before
    assert page.value(
        "[...nodes.values()].every((node) =>"
        " node.home.every(([each, name, value]) => each.getAttribute(name) === value))"
    )
    page.value("history.forward()")
    page.until("trail.length === 1")
    page.value("document.querySelector('#trail a').click()")  # everything
    page.until("trail.length === 0")
    assert shown(page) == before


def test_the_card_leads_on_and_an_address_can_be_kept(page, drawn):
    page.click(*middle(page, "tail"))
    page.until("trail.length === 1")
    page.value("[...card.querySelectorAll('a')].find((each) => each.textContent.includes('pipe')).click()")
    page.until("trail.length === 2")
    kept = page.value("location.hash")
    page.value("location.hash = ''")
    page.until("trail.length === 0")
    page.value(f"location.hash = {json.dumps(kept)}")
    page.until("trail.length === 1")
    assert shown(page) >= {"tail", "grep"}
    page.value("location.hash = '#%E0%A4%A'")  # what is no address at all
    page.until("trail.length === 0")


def test_a_circle_can_be_clicked(page):
    assert not page.value("document.getElementById('circles').hidden")
    page.value("document.querySelector('#circles a').click()")
    page.until("trail.length === 1")
    found = shown(page)
    assert {"billing", "ledger", "auditor"} <= found and len(found) == 6
    shoot(page, "circle")
    assert "deadlock" in page.value("document.getElementById('circles').innerText")


def test_everything_works_by_keys(page):
    page.value("document.body.focus()")
    page.key("/", "/")
    page.until("document.activeElement === field")
    page.type("uploader")
    page.key("Enter")
    page.until("trail.length === 1")
    page.key("Escape")  # empties the field
    page.key("Escape")  # and leads back
    page.until("trail.length === 0")
    page.value(f"{named('billing')}.element.focus()")
    page.until("drawing.classList.contains('lighting')")
    assert "circle of waits" in card(page)
    page.key("Enter")
    page.until("trail.length === 1")
    width = page.value("view.width")
    page.key("+", "+")
    assert page.value("view.width") < width
    page.key("0", "0")
    assert abs(page.value("view.width") - width) < 1
    x = page.value("view.x")
    page.key("ArrowRight")
    assert page.value("view.x") > x
    page.value("location.hash = ''")
    page.until("trail.length === 0")


def test_every_thing_has_a_name_for_who_does_not_see_it(page):
    assert page.value(
        "[...drawing.querySelectorAll('g.node')].every((node) =>"
        " node.getAttribute('aria-label') && node.tabIndex === 0)"
    )
    assert page.value("drawing.querySelector('title').textContent").count("processes")
    unnamed = (
        "[...document.querySelectorAll('button, input, a, nav, aside, main')].filter((each) =>"
        " !(each.textContent.trim() || each.title || each.ariaLabel || each.labels?.length))"
    )
    assert page.value(f"{unnamed}.length") == 0


def test_dragging_and_the_wheel_move_the_drawing_and_follow_nothing(page):
    x, width = page.value("view.x"), page.value("view.width")
    at = middle(page, "grep")
    page.mouse(*at, "mousePressed")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0] + 80, y=at[1] + 10, button="left", buttons=1)
    page.call("Input.dispatchMouseEvent", type="mouseReleased", x=at[0] + 80, y=at[1] + 10, button="left", clickCount=1)
    assert page.value("view.x") < x and page.value("trail.length") == 0
    page.call("Input.dispatchMouseEvent", type="mouseWheel", x=at[0], y=at[1], deltaX=0, deltaY=-240)
    page.until(f"view.width < {width}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(page, scheme):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    try:
        shoot(page, scheme)
        pairs = (
            "[...drawing.querySelectorAll('g.node')].map((node) =>"
            " ['.label', '.box:last-of-type'].map((each) => getComputedStyle(node.querySelector(each)).fill))"
        )
        for ink, paper in page.value(pairs):
            assert contrast(ink, paper) >= 4.5, (ink, paper)
    finally:
        page.call("Emulation.setEmulatedMedia", features=[])


def contrast(one: str, other: str) -> float:
    """As the W3C computes it."""
    bright = sorted(brightness(each) for each in (one, other))
    return (bright[1] + 0.05) / (bright[0] + 0.05)


def brightness(colour: str) -> float:
    parts = [int(each) / 255 for each in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


OVERLAPS = """
(() => {
  const texts = [...drawing.querySelectorAll("g.node:not(.away) text")].map((each) => each.getBoundingClientRect());
  const found = [];
  texts.forEach((a, i) => texts.slice(0, i).forEach((b) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    // the two lines of one box touch with what is above and below their letters
    if (wide > 0.5 && high > Math.min(a.height, b.height) * 0.25) found.push([a.x, a.y, b.x, b.y]);
  }));
  return found;
})()
"""
OUTSIDE = """
[...nodes.values()].filter((node) => node.shown).filter(({element}) => {
  const box = element.querySelector('.box:last-of-type').getBoundingClientRect();
  return [...element.querySelectorAll('text')].some((each) => {
    const text = each.getBoundingClientRect();
    return text.left < box.left || text.right > box.right || text.top < box.top - 1 || text.bottom > box.bottom + 1;
  });
}).map((node) => node.label)
"""


def check_labels(browser):
    """At life size: letters have whole pixels, so that very small ones are larger than they should be."""
    browser.value("look({ x: 0, y: 0, width: stage.clientWidth, height: stage.clientHeight })")
    assert browser.value(OVERLAPS) == []
    assert browser.value(OUTSIDE) == []


def test_no_label_is_on_another_or_leaves_its_box_with_200_processes(chromium, tmp_path):
    with running_town(tmp_path, 8, 17) as town:
        drawn = map_of(town, Path(tmp_path) / "crowd.html", *town.everybody, "--depth", 1)
        chromium.events.clear()
        chromium.open(drawn)
        counted = chromium.until("[...nodes.values()].filter((node) => node.role === 'process').length")
        assert counted == len(town.everybody) > 200
        shoot(chromium, "crowd")
        check_labels(chromium)
        chromium.value(f"location.hash = there({named('team-3')}.key)")
        chromium.until("trail.length === 1")
        around = shown(chromium)
        assert {"team-3", "member-3-0", "member-3-8", "bus"} <= around and "member-4-0" not in around
        shoot(chromium, "crowd-followed")
        small = (
            "Math.min(...[...nodes.values()].filter((node) => node.shown)"
            ".map((node) => node.element.querySelector('.note').getBoundingClientRect().height))"
        )
        assert chromium.value(small) > 8  # a neighbourhood is drawn anew, so large that it can be read
        check_labels(chromium)
        assert chromium.complaints() == [] and set(chromium.requests()) == {drawn.as_uri()}


def test_hostile_names_do_nothing_in_a_browser(chromium, tmp_path):
    from .test_map import COMMAND, SOCKET

    code = (
        "import sys; from unixipc import sockets; open('/proc/self/comm', 'w').write(sys.argv[2])\n"
        "with sockets.listen(sys.argv[1]) as listener, sockets.connect(sys.argv[1]), listener.accept():\n"
        "    print(flush=True), sys.stdin.read()"
    )
    end = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, SOCKET, COMMAND], **end) as process:
        process.stdout.readline()
        drawn = map_of(None, tmp_path / "hostile.html", process.pid, "--all", "--depth", 1)
        process.stdin.close()
        process.wait(timeout=LIMIT_S)
    chromium.events.clear()
    chromium.open(drawn)
    labels = chromium.until("[...nodes.values()].map((node) => node.label)")
    assert {COMMAND, SOCKET} <= set(labels)
    chromium.value(f"point({named(SOCKET)})")
    assert card(chromium).startswith(SOCKET)
    assert chromium.value("document.querySelectorAll('script').length") == 2
    assert chromium.value("document.querySelectorAll('[onload]').length") == 0
    assert chromium.complaints() == [] and set(chromium.requests()) == {drawn.as_uri()}


def test_the_drawing_is_there_without_the_script(chromium, drawn):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(drawn)
        assert chromium.value("document.querySelector('svg.map g.node title') !== null")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


def shoot(browser, name):
    if SHOTS:
        browser.screenshot(Path(SHOTS) / f"{name}.png")
