"""Who holds what, and what nobody holds: facts about other processes. So far: pipes, FIFOs, System V objects.

>>> import os
>>> from unixipc import inspector, pipe
>>> reader, writer = pipe()
>>> [(holder.pid == os.getpid(), holder.reads, holder.writes) for holder in inspector.holders(reader)]
[(True, True, False), (True, False, True)]
>>> reader.close(); writer.close()
"""

from .machine import Finding, examine
from .pipes import Holder, holders
from .system_v import Limit, Orphan, limits, orphans

__all__ = ["Finding", "Holder", "Limit", "Orphan", "examine", "holders", "limits", "orphans"]
