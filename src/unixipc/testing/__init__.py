"""What tests of inter-process code need, ours and yours: contracts, crashes, traces.

* `contracts`: one suite a behaviour (streams, messages, locks, closables), to be instantiated for your own mechanism
* `crash`: run code in a child that is killed with SIGKILL at a named point, at a given step, or at a random moment
* `traces`: prove that a piece of code leaves nothing on the machine
* `namespaces`: System V objects of the tests' own
"""

from . import contracts, crash, namespaces, traces

__all__ = ["contracts", "crash", "namespaces", "traces"]
