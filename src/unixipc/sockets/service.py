"""A service and its manager: sockets that are handed over, and word that it is ready. -- sd_listen_fds(3), sd_notify(3)

The protocol is a few variables of the environment, which systemd and others speak. No library of theirs is needed.
"""

from __future__ import annotations

import errno
import os
import stat

from .._call import explained, failure
from .._fd import Descriptor
from .._native import socket as _socket
from . import _socket as shared
from .packet import Datagrams, bind
from .stream import Connection, Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Socket: TypeAlias = Listener | Connection | Datagrams | Descriptor

__all__ = ["inherited", "notify"]

FIRST = 3
NAMES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def inherited() -> list[tuple[str, Socket]]:
    """What a service manager has opened for this process, in its order: (name, socket). -- sd_listen_fds(3)

    A `Listener`, `Datagrams` or `Connection`; a plain descriptor (``fileno()``, ``detach()``) for what is no Unix
    socket. Nothing, if there is nothing or it is meant for another process. They are taken over: close-on-exec, and the
    variables are gone, so that a second call, and programs that are started, find nothing. Names that were not given
    are "unknown".

    The five fates: **close** closes ours, the manager keeps its own. **remove**: nothing of that is ours. **fork**
    shares them. **exec** closes them. **kill -9** closes them; the manager hands them over again.
    """
    pid, count, names = (os.environ.get(each, "") for each in NAMES)
    if not count or pid != str(os.getpid()):
        return []
    if not count.isdigit():
        raise failure(errno.EINVAL, "sd_listen_fds(3)", f"LISTEN_FDS={count}", "it is no number of descriptors")
    numbers = range(FIRST, FIRST + int(count))
    for number in numbers:
        _close_on_exec(number)
    for each in NAMES:
        os.environ.pop(each, None)
    known = names.split(":") if names else []
    return [(known[i] if i < len(known) else "unknown", _adopted(number)) for i, number in enumerate(numbers)]


def _close_on_exec(number: int) -> None:
    try:
        os.set_inheritable(number, False)
    except OSError as error:
        raise explained(
            error, "sd_listen_fds(3)", f"fd {number}", "LISTEN_FDS says that it is open, and it is not"
        ) from None


def _adopted(number: int) -> Socket:
    name = f"fd {number}"
    if not stat.S_ISSOCK(os.fstat(number).st_mode) or _socket.get_option(number, "domain", name) != shared.AF_UNIX:
        return Descriptor(number, name)
    if _socket.get_option(number, "listening", name):
        return Listener(number)
    if shared.adopted_kind(number) == shared.KINDS["dgram"]:
        return Datagrams(number)
    return Connection(number)


def notify(text: str, timeout: float | None = None) -> bool:
    r"""Tell the service manager, such as "READY=1"; False if none has asked for that. -- sd_notify(3)

    Several words go as lines: "STATUS=Loading\nWATCHDOG=1". It goes to the socket that NOTIFY_SOCKET names (a path or
    "@name"); if that has no room, it waits. Errors: FileNotFoundError, ConnectionRefusedError: the manager is gone.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address[0] not in "/@":
        raise failure(errno.EAFNOSUPPORT, "sd_notify(3)", f"NOTIFY_SOCKET={address}", "it is neither a path nor @name")
    with bind("") as ours:
        ours.send_to(text.encode(), address, timeout=timeout)
    return True
