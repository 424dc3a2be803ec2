"""How the tour carries its cargo: one small class a mechanism, and the registry `CARRIERS` that later rooms add to.

A carrier is made in the parent, before both processes are forked, so both inherit it. Then each of the three calls one
of `start_sending`, `start_receiving` and `close` first, and so closes what it does not use: a forgotten write end would
mean that the end of the stream never comes. `remove` (in the parent, at the end) takes names and helpers away.
"""

from __future__ import annotations

from .carrier import Carrier
from .channels import ChannelInPlace, ChannelQueue, ChannelTopic
from .locked import LockedFile
from .mapped import MappedFile, SignalValues
from .pipes import NamedPipe, PacketPipe, Pipe, SplicedPipe, ThroughProgram
from .posix import PosixMemory, PosixQueue
from .system_v import MessageQueues, SharedBuffer
from .unix_sockets import DatagramSocket, DescriptorPassing, PacketSocket, StreamSocket

__all__ = [
    "CARRIERS",
    "Carrier",
    "ChannelInPlace",
    "ChannelQueue",
    "ChannelTopic",
    "DatagramSocket",
    "DescriptorPassing",
    "LockedFile",
    "MappedFile",
    "MessageQueues",
    "NamedPipe",
    "PacketPipe",
    "PacketSocket",
    "Pipe",
    "PosixMemory",
    "PosixQueue",
    "SharedBuffer",
    "SignalValues",
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
        SignalValues,
        LockedFile,
        MappedFile,
        MessageQueues,
        SharedBuffer,
        PosixQueue,
        PosixMemory,
        StreamSocket,
        PacketSocket,
        DatagramSocket,
        DescriptorPassing,
        ChannelQueue,
        ChannelInPlace,
        ChannelTopic,
        ThroughProgram,
    )
}
"""Every mechanism the tour knows, in the order of the guide; a later room adds its line here."""
