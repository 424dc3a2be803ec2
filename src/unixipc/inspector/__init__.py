"""What is on this machine, who holds it, who waits for it and for whom, and what nobody uses any more.

>>> import os
>>> from unixipc import inspector, pipe
>>> reader, writer = pipe()
>>> [(holder.pid == os.getpid(), holder.reads, holder.writes) for holder in inspector.holders(reader)]
[(True, True, False), (True, False, True)]
>>> sorted(edge.how for edge in inspector.who(reader))
['reads', 'writes']
>>> reader.close(); writer.close()

`ls`: every object, a row each; `who`: who has to do with one; `why`: what a process waits for, and who could end that,
circles too; `graph`: all of it; `orphans`, and `collect`, which removes the sure ones; `limits`, `holders`.

The processes of other users can be looked into by root alone. What that hides is said: `Graph.hidden`, `Why.hidden`.
"""

from .asking import who
from .collecting import Collected, collect
from .connections import Graph, Why, graph, why
from .cycles import Cycle
from .edges import Edge
from .leftovers import Orphan, orphans
from .listing import KINDS, ls
from .machine import Finding, examine
from .pipes import Holder, holders
from .procfs import End
from .scene import Ender
from .short_ids import short_ids
from .system_v import Limit, limits
from .waits import Wait

__all__ = [
    "KINDS",
    "Collected",
    "Cycle",
    "Edge",
    "End",
    "Ender",
    "Finding",
    "Graph",
    "Holder",
    "Limit",
    "Orphan",
    "Wait",
    "Why",
    "collect",
    "examine",
    "graph",
    "holders",
    "limits",
    "ls",
    "orphans",
    "short_ids",
    "who",
    "why",
]
