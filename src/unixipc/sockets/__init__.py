"""Unix domain sockets: streams, packets, datagrams; with descriptors, credentials and the peer's identity. -- unix(7)

>>> from unixipc import sockets
>>> a, b = sockets.pair()
>>> a.write_all(b"hello"); b.read(100)
b'hello'
>>> a.close(); b.read(100)
b''
>>> b.close()

An address is a path, or ``"@name"`` for the abstract namespace (no file, gone with the socket, Linux).

The five fates: **close** this handle: the peer sees the end once every copy is closed; a listener's file stays (the
next
`listen` takes it over) unless it was made ``temporary=True``. **remove** (`Listener`, `Datagrams`) unlinks the file
if it is
still ours. **fork** shares the open socket. **exec** closes it, unless passed by number. **kill -9** closes it: the
peer sees the end or `PeerGone`; a listener's file stays and is stale, which `listen` recognises and replaces.
"""

from .address import Address, parse
from .credentials import Credentials, Peer
from .fd_passing import MOST_DESCRIPTORS, Received
from .packet import Datagrams, bind
from .service import inherited, notify
from .stream import Connection, Listener, connect, listen, pair, try_connect

__all__ = [
    "MOST_DESCRIPTORS",
    "Address",
    "Connection",
    "Credentials",
    "Datagrams",
    "Listener",
    "Peer",
    "Received",
    "bind",
    "connect",
    "inherited",
    "listen",
    "notify",
    "pair",
    "parse",
    "try_connect",
]
