"""Modules with the names and ways of other libraries, on top of ours: programs written for those run unchanged.

`unixipc.compat.sysv_ipc` stands in for sysv_ipc 1.2.0, `unixipc.compat.posix_ipc` for posix_ipc 1.3.2. New programs
take `unixipc.sysv` and `unixipc.posix`.
"""
