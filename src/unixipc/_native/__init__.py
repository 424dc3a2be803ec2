"""One thin function a system call: nothing here waits, retries or decides.

Only this package's C and Cython files talk to the kernel directly. Failures come out as the exceptions
of `unixipc.errors`; "not now" comes out as None or False; an interrupted call as InterruptedError, which
only `unixipc._wait` ever sees.
"""
