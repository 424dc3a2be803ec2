"""Descriptors that travel with a message: SCM_RIGHTS. -- unix(7), cmsg(3)

``connection.send(b"take these", descriptors=[f])`` sends *the open file descriptions* behind the descriptors: the
receiver
gets new numbers for the same open files, offsets and flags included, and the sender keeps its own. The receiver says
how many it takes: ``received = connection.receive(100, max_descriptors=1)``; every descriptor in
``received.descriptors`` is close-on-exec from birth and owned: it closes itself at the latest when it is forgotten.

- At most `MOST_DESCRIPTORS` (253) go with one message, and at least one byte must go with them on a stream.
- A message with more than `max_descriptors` is `truncated` with `descriptors_lost`: the kernel has closed the others.
- If this process has no free number for one, the receive fails with EMFILE *and the message stays*: nothing is lost.
- A pipe's end in flight still counts as open: no end of stream before it is received and closed.
"""

from .._native.socket import MOST_DESCRIPTORS, Received

__all__ = ["MOST_DESCRIPTORS", "Received"]
