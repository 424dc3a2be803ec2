"""At which address does each process see a shared memory segment? The same only after a fork.

Usage: shmaddr.py    the segment is temporary: it has no key, and nothing is left    (ipc demo shmaddr)
"""

import os
import sys

from unixipc import fork, pipe, spawn
from unixipc.sysv import Segment, SharedMemory

SIZE_BYTES = 4096
WAIT_S = 30


def attached_here(id: int) -> str:
    """Whether this process has the segment attached: then it is in the list of its mappings. -- proc(5)"""
    with open("/proc/self/maps") as mappings:
        found = any(line.split()[4:5] == [str(id)] and "/SYSV" in line for line in mappings)
    return "attached" if found else "not attached at all"


def what_another_program_sees(id: int) -> None:
    """Runs in a program of its own: what it has when it starts, then where the kernel puts the segment for it."""
    before = attached_here(id)
    with SharedMemory(id) as memory, memory.attach() as segment:
        print(f"{before},0x{segment.address:x},{segment.buffer[0]}", flush=True)


def ask_another_program(memory: SharedMemory) -> tuple[str, int, int]:
    reader, writer = pipe()
    with reader, spawn([sys.executable, __file__, "--see", str(memory.id)], stdout=writer) as program:
        writer.close()
        before, address, first_byte = reader.read(100, WAIT_S).decode().split(",")
        program.wait(WAIT_S)
    return before, int(address, 16), int(first_byte)


def compared(address: int, ours: int) -> str:
    return f"0x{address:x}  {'the same' if address == ours else 'another one'}"


def tell_in_child(segment: Segment, ours: int) -> int:
    print(f"the forked child:             {compared(segment.address, ours)}", flush=True)
    segment.buffer[0] = 42
    return 0


def tell_after_exec(memory: SharedMemory) -> None:
    """A child that has the segment from its parent becomes another program, by exec."""
    words = [sys.executable, __file__, "--exec", str(memory.id)]
    with fork(lambda: os.execv(sys.executable, words)) as child:
        child.wait(WAIT_S)


def show(memory: SharedMemory, segment: Segment) -> None:
    ours = segment.address
    print(f"the parent:                   0x{ours:x}", flush=True)
    with fork(tell_in_child, segment, ours) as child:
        child.wait(WAIT_S)
    with memory.attach() as second:
        print(f"the parent, attached again:   {compared(second.address, ours)}", flush=True)
        print(f"what the child wrote there:   {second.buffer[0]}", flush=True)
    before, address, first_byte = ask_another_program(memory)
    print(f"another program, at start:    {before}")
    print(f"another program, by the id:   {compared(address, ours)}, and reads {first_byte}", flush=True)
    tell_after_exec(memory)
    print("So: a fork keeps addresses, every attachment gets one of its own, exec keeps nothing.")
    print("Store offsets in shared memory, never pointers.")


def main() -> None:
    if "--see" in sys.argv:
        return what_another_program_sees(int(sys.argv[-1]))
    if "--exec" in sys.argv:
        print(f"a forked child, after exec:   {attached_here(int(sys.argv[-1]))}")
        return None
    with SharedMemory.temporary(SIZE_BYTES) as memory, memory.attach() as segment:
        show(memory, segment)
    return None


if __name__ == "__main__":
    main()
