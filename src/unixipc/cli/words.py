"""The types of words on the command line: addresses, sizes, modes, durations, numbers; with errors and completion."""

from __future__ import annotations

import re

import click

from .addresses import KINDS, Address, known, number, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SECONDS_IN = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Url(click.ParamType[Address]):
    """An address; `schemes` are those that the verb can do something with."""

    name = "URL"

    def __init__(self, *schemes: str) -> None:
        self.schemes = schemes or tuple(KINDS)

    def convert(self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read it; what is wrong with it is a usage error."""
        if isinstance(value, Address):
            return value
        try:
            return parse(value, self.schemes)
        except (ValueError, OSError) as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Schemes, then what exists."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(url, help=what) for url, what in known(incomplete, self.schemes)]


class Size(click.ParamType[int]):
    """Bytes, with K, M or G (of 1024) behind them."""

    name = "BYTES"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        unit = value[-1:].upper() if value[-1:].upper() in "KMG" else ""
        try:
            size = number(value[: len(value) - len(unit)]) * UNITS[unit]
        except ValueError:
            size = -1
        if size < 0:
            self.fail(f"{value!r} is no number of bytes: write 4096, 64K, 1M or 2G", param, ctx)
        return size


class Mode(click.ParamType[int]):
    """Permissions in octal."""

    name = "MODE"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        try:
            mode = int(value, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777:
            self.fail(f"{value!r} are no permissions: write them in octal, such as 600 or 0660", param, ctx)
        return mode


class Duration(click.ParamType[float]):
    """Seconds; or minutes, hours, days with m, h or d behind the number."""

    name = "DURATION"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        if not isinstance(value, str):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
        if found is None:
            self.fail(f"{value!r} is no duration: write 90, 90s, 10m, 1h or 2d", param, ctx)
        return float(found[1]) * SECONDS_IN[found[2]]


class Number(click.ParamType[int]):
    """A number in decimal, hexadecimal (0x...) or octal (0...)."""

    name = "NUMBER"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        try:
            return number(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SECONDS = click.FloatRange(min=0)
