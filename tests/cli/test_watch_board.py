"""The screen of `ipc watch` in detail, driven by the pilot of Textual: what a terminal shows only after many keys."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from unixipc import channel
from unixipc.cli.screen import looking
from unixipc.cli.screen.app import Watch
from unixipc.cli.screen.asking import Help
from unixipc.cli.screen.details import Link
from unixipc.cli.screen.looking import Look, Looker, Wanted
from unixipc.cli.screen.tables import ObjectLine
from unixipc.locks import FileLock

LIMIT_S = 60


def drive(script, wanted, size=(80, 24), interval_s=0.2):
    """Run the screen without a terminal, and the script with it."""

    app = Watch(wanted, interval_s)

    async def run():
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.board.look is not None and app.board.sheet.lines is not None)
            await asyncio.wait_for(script(pilot, app.board), LIMIT_S)

    try:
        asyncio.run(run())
    finally:
        assert app.board.looker.join(LIMIT_S)


async def until(pilot, condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never became so"
        await pilot.pause(0.02)


async def rest(pilot, board):
    """No look from here on."""
    board.looker.set(paused=True)
    await until(pilot, lambda: not board.looker.looking_s())
    await pilot.pause(0.1)


@pytest.fixture
def locks(tmp_path):
    """Three files that this process has locked: a, b, c."""
    held = [FileLock(str(tmp_path / name)) for name in "abc"]
    for each in held:
        each.acquire()
    yield [str(tmp_path / name) for name in "abc"]
    for each in held:
        each.close()


def mine():
    return Wanted(("lock",), pids=(os.getpid(),))


def paths(board):
    return [line.row.path for line in board.sheet.lines]


def test_the_chosen_line_stays_chosen_wherever_it_is_sorted_to(locks):
    async def script(pilot, board):
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        await pilot.press("end")
        chosen = board.sheet.line.key
        await pilot.press("s", "s")  # by name
        await until(pilot, lambda: paths(board) == sorted(locks))
        await pilot.press("S")
        await until(pilot, lambda: paths(board) == sorted(locks, reverse=True))
        assert board.sheet.line.key == chosen
        last = board.look
        await until(pilot, lambda: board.look is not last)
        assert board.sheet.line.key == chosen and paths(board) == sorted(locks, reverse=True)

    drive(script, mine())


def test_the_cursor_stays_where_a_line_vanishes(locks, tmp_path):
    async def script(pilot, board):
        with FileLock(str(tmp_path / "d")):
            await until(pilot, lambda: len(board.sheet.lines) == 4)
            await pilot.press("end")
            assert board.sheet.cursor == 3
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        assert board.sheet.cursor == 2 and board.sheet.line is board.sheet.lines[2]
        await pilot.press("home", "up", "pageup")
        assert board.sheet.cursor == 0

    drive(script, mine())


def test_what_is_typed_right_after_the_slash_goes_into_the_filter(locks):
    async def script(pilot, board):
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        await pilot.press("slash", *"/b1")  # a slash within, too, and no sheet 1
        assert (board.filter, board.shown) == ("/b1", "objects")
        await pilot.press("backspace")
        await until(pilot, lambda: paths(board) == [locks[1]])
        await pilot.press("enter", "q" if board.filter != "/b" else "2", "1")
        assert board.filter == "/b"
        await pilot.press("escape")
        await until(pilot, lambda: len(board.sheet.lines) == 3)

    drive(script, mine())


def test_a_link_to_what_a_filter_hides_drops_the_filter(locks):
    async def script(pilot, board):
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        board._filter_by(locks[1])
        await until(pilot, lambda: paths(board) == [locks[1]])
        await pilot.press("enter")
        assert board.is_in_links
        await pilot.press("enter")
        await until(pilot, lambda: board.shown == "processes" and board.sheet.line.pid == os.getpid())
        assert board.filter == ""
        await pilot.press("enter")
        await until(pilot, lambda: board.is_in_links)
        links = board.query_one("#links")
        assert {link.what.split()[-1] for link in links.lines} >= set(locks)
        await pilot.press("enter")
        await until(pilot, lambda: board.shown == "objects")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: board.shown == "objects" and not board._trail)

    drive(script, mine(), size=(200, 30))


def test_a_link_that_leads_nowhere_says_so_and_stays(locks):
    async def script(pilot, board):
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        await rest(pilot, board)
        links = board.query_one("#links")
        links.show([Link("holds", "999999999 gone", "", "processes", 999999999)])
        board.set_focus(links)
        links.action_choose()
        await until(pilot, lambda: len(pilot.app._notifications) == 1)
        assert board.shown == "objects" and not board._trail

    drive(script, mine())


def test_the_lower_half_is_large_off_and_as_before(locks):
    async def script(pilot, board):
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        heights = []
        for _ in range(4):
            heights.append(board.query_one("#details").region.height)
            await pilot.press("d")
            await pilot.pause()
        assert heights[1] > heights[0] > heights[2] == 0 and heights[3] == heights[0]
        await pilot.press("d", "right_square_bracket")
        await pilot.pause()
        assert board.query_one("#fields").scroll_y > 0 or board.query_one("#fields").max_scroll_y == 0

    drive(script, mine(), size=(80, 16))


def test_sheets_that_are_turned_fast_end_where_they_should(locks):
    async def script(pilot, board):
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        for name in ("waits", "objects", "processes", "orphans", "objects", "waits"):
            board.action_sheet(name)
        await rest(pilot, board)
        assert board.shown == "waits" == board.query_one("#tabs").active
        await pilot.click("#processes")
        assert board.shown == "processes"

    drive(script, mine())


def test_looks_go_on_under_the_help(locks):
    async def script(pilot, board):
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, Help)
        last = board.look
        await until(pilot, lambda: board.look is not last)
        await pilot.press("escape")
        assert pilot.app.screen is board

    drive(script, mine())


def test_a_look_that_fails_says_why_and_the_next_is_tried(locks, monkeypatch):
    real, refuse = looking.Looks.take, [OSError(24, "Too many open files", "/proc")]

    def take(self):
        if refuse:
            raise refuse[0]
        return real(self)

    async def script(pilot, board):
        monkeypatch.setattr(looking.Looks, "take", take)
        await until(pilot, lambda: "/proc: Too many open files" in board.problem)
        refuse.clear()
        await until(pilot, lambda: board.problem == "")

    drive(script, mine())


def test_a_look_that_takes_long_is_told_and_stops_no_key(locks, monkeypatch):
    real, go_on = looking.Looks.take, threading.Event()

    def take(self):
        assert go_on.wait(LIMIT_S)
        return real(self)

    async def script(pilot, board):
        monkeypatch.setattr(looking.Looks, "take", take)
        try:
            await until(pilot, lambda: "has taken" in str(board.query_one("#status").render()))
            await pilot.press("2")
            assert board.shown == "waits"
        finally:
            go_on.set()
        await until(pilot, lambda: "has taken" not in str(board.query_one("#status").render()))

    drive(script, mine())


def test_a_machine_of_ten_thousand_draws_what_can_be_seen(locks):
    async def script(pilot, board):
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        await rest(pilot, board)
        asked = []
        some = board.sheet.lines[0]

        class Counted(ObjectLine):
            @property
            def name(self):
                asked.append(self.key)
                return str(self.key)

        lines = [Counted(some.row, some.change, 0, 0) for _ in range(10_000)]
        for number, line in enumerate(lines):
            line.key = (number,)
        board.sheet.show(lines)
        await pilot.press("end")
        await pilot.pause()
        assert board.sheet.cursor == 9_999
        assert len(set(asked)) < 100, "cells that nobody sees were made"

    drive(script, mine())


@pytest.mark.parametrize("size", [(80, 24), (20, 5), (1, 1), (300, 80)])
def test_any_size_will_do(locks, size):
    async def script(pilot, board):
        await until(pilot, lambda: len(board.sheet.lines) == 3)
        for key in ("2", "3", "4", "1", "down", "enter", "escape", "k", "escape", "question_mark", "escape"):
            await pilot.press(key)
        assert board.look is not None

    drive(script, mine(), size=size)


def test_a_row_in_every_sheet_reads_as_it_should(locks):
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    with channel.Queue.temporary(name) as made, made.sender():

        async def script(pilot, board):
            await until(pilot, lambda: any(line.row.kind == "channel" for line in board.sheet.lines))
            row = next(line for line in board.sheet.lines if line.row.kind == "channel")
            assert (row.name, row.users, row.numbers.depth) == (name, 1, 0)
            for sheet in ("waits", "orphans", "processes"):
                board.action_sheet(sheet)
                await pilot.pause()
                for line in board.sheet.lines:
                    assert [column.text(line) for column in board.sheet.columns] and line.searched()

        drive(script, Wanted(("channel", "lock"), pids=(os.getpid(),)))


# looks ----------------------------------------------------------------------------------------------------------------


class Desk:
    """Takes what a looker delivers, when told to."""

    def __init__(self, wanted, interval_s):
        self.got: list[Look | Exception] = []
        self.came = threading.Semaphore(0)
        self.looker = Looker(wanted, interval_s, self._take)
        self.looker.start()

    def _take(self, found):
        self.got.append(found)
        self.came.release()

    def next(self):
        assert self.came.acquire(timeout=LIMIT_S), "no look came"
        return self.got[-1]

    def close(self):
        self.looker.stop()
        assert self.looker.join(LIMIT_S)


@pytest.fixture
def desk():
    made = Desk(Wanted(("sysv",)), 0.1)
    yield made
    made.close()


def test_the_next_look_waits_until_the_last_was_taken(desk):
    desk.next()
    time.sleep(0.5)  # five intervals
    assert len(desk.got) == 1
    desk.looker.taken()
    desk.next()
    assert len(desk.got) == 2


def test_paused_no_look_comes_but_one_that_is_asked_for(desk):
    desk.next()
    desk.looker.set(paused=True)
    desk.looker.taken()
    time.sleep(0.4)
    assert len(desk.got) == 1
    desk.looker.look_now()
    desk.next()
    desk.looker.taken()
    time.sleep(0.3)
    assert len(desk.got) == 2
    desk.looker.set(paused=False)
    desk.next()


def test_what_costs_much_to_show_makes_the_next_look_later(desk):
    desk.next()
    began = time.monotonic()
    desk.looker.taken(cost_s=0.3)
    desk.next()
    assert time.monotonic() - began > 0.5  # three times that, from the beginning of the look


def test_stopped_it_ends_even_if_nobody_takes_the_look(desk):
    desk.next()
    desk.close()
