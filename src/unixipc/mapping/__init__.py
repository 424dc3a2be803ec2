"""Mapped memory: files, anonymous memory, memory files with seals. -- mmap(2)

>>> from unixipc.mapping import map_anonymous
>>> with map_anonymous(4096) as memory:      # a forked child would see the same bytes
...     memory.buffer[:5] = b"hello"
...     bytes(memory.buffer[:5])
b'hello'

Using a mapping does not kill the process: where somebody makes a mapped file shorter, or the disk is full under a hole,
the missing pages become zeros of this process's own, and `Mapping.check` tells.
"""

from .mapped import ADVICE, Mapping, map_anonymous, map_file
from .memory_file import SEALS, MemFd

__all__ = ["ADVICE", "SEALS", "Mapping", "MemFd", "map_anonymous", "map_file"]
