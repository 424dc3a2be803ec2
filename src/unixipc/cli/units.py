"""Sizes and times as people write them, both ways."""

from __future__ import annotations

from datetime import datetime

STEPS = "KMGTPE"


def human_bytes(value: int) -> str:
    """As ls -h: 512, 4K, 1.5M; with a decimal below ten."""
    if abs(value) < 1024:
        return str(value)
    size, unit = value / 1024, 0
    while abs(size) >= 1023.5 and unit < len(STEPS) - 1:
        size, unit = size / 1024, unit + 1
    digits = f"{size:.1f}" if abs(size) < 9.95 else f"{size:.0f}"
    return digits.removesuffix(".0") + STEPS[unit]


def human_time(value: int) -> str:
    """The local time; today's without the day."""
    try:
        at = datetime.fromtimestamp(value)
    except (OverflowError, OSError, ValueError):  # a clock that was not set when it was made
        return str(value)
    return f"{at:%H:%M:%S}" if at.date() == datetime.now().date() else f"{at:%Y-%m-%d %H:%M}"


def number_in(text: str) -> int:
    """A number as in a table: decimal, 0x..., with K, M, G of 1024 behind it, or a date (ISO 8601). ValueError."""
    unit = text[-1:].upper()
    if unit in STEPS and text[:-1].replace(".", "", 1).isdigit():
        return int(float(text[:-1]) * 1024 ** (STEPS.index(unit) + 1))
    try:
        return int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        return int(datetime.fromisoformat(text).timestamp())
