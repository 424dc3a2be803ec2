"""Who holds what: facts about other processes, read from /proc. So far: pipes and FIFOs.

>>> import os
>>> from unixipc import inspector, pipe
>>> reader, writer = pipe()
>>> [(holder.pid == os.getpid(), holder.reads, holder.writes) for holder in inspector.holders(reader)]
[(True, True, False), (True, False, True)]
>>> reader.close(); writer.close()
"""

from .pipes import Holder, holders

__all__ = ["Holder", "holders"]
