"""How the tour carries its cargo: one small class a mechanism, and the registry `CARRIERS` that later rooms add to.

A carrier is made in the parent, before both processes are forked, so both inherit it. Then each of the three calls one
of `start_sending`, `start_receiving` and `close` first, and so closes what it does not use: a forgotten write end would
mean that the end of the stream never comes. `remove` (in the parent, at the end) takes names and helpers away.
"""

from __future__ import annotations

from .carrier import Carrier
from .pipes import NamedPipe, PacketPipe, Pipe, SplicedPipe, ThroughProgram
from .system_v import MessageQueues, SharedBuffer
from .unix_sockets import DatagramSocket, DescriptorPassing, PacketSocket, StreamSocket

__all__ = [
    "CARRIERS",
    "Carrier",
    "DatagramSocket",
    "DescriptorPassing",
    "MessageQueues",
    "NamedPipe",
    "PacketPipe",
    "PacketSocket",
    "Pipe",
    "SharedBuffer",
    "SplicedPipe",
    "StreamSocket",
    "ThroughProgram",
]

CARRIERS: dict[str, type[Carrier]] = {
    carrier.name: carrier
    for carrier in (
        Pipe,
        PacketPipe,
        SplicedPipe,
        NamedPipe,
        MessageQueues,
        SharedBuffer,
        StreamSocket,
        PacketSocket,
        DatagramSocket,
        DescriptorPassing,
        ThroughProgram,
    )
}
"""Every mechanism the tour knows, in the order of the guide; a later room adds its line here."""
