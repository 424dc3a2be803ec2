"""Mapped memory, as it is: nothing here has to be awaited. -- mmap(2)

The same classes and functions as in `unixipc.mapping`. What asks the disk (`Mapping.flush`, ``populate=True``) or sets
much memory aside (``MemFd.create``, ``resize``) takes its time in the kernel: give it to a thread if the loop must run.
"""

from ..mapping import ADVICE, SEALS, Mapping, MemFd, map_anonymous, map_file

__all__ = ["ADVICE", "SEALS", "Mapping", "MemFd", "map_anonymous", "map_file"]
