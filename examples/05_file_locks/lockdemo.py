"""A lock on a file that several terminals share: who has it, and the kernel's word that it is given back.

Usage: lockdemo.py [--shared] [FILE]    run it in several terminals    (ipc demo lockdemo)
FILE is locked as a whole; default: the source of this program. End with Ctrl-D.
"""

import sys

from unixipc import RecordLock


def wait_for_return(what: str) -> bool:
    """Whether there was a line; False at the end of the input."""
    print(f"lockdemo: press return to {what}", flush=True)
    return bool(sys.stdin.readline())


def take_turns(lock: RecordLock) -> None:
    while wait_for_return("lock"):
        if not lock.try_acquire():
            print(f"lockdemo: {lock.held_by()}. Waiting ...", flush=True)
            lock.acquire()
        # Should we be killed now, kill -9 included, the kernel unlocks it.
        print(f"lockdemo: locked{', shared' if lock.held_shared else ''}", flush=True)
        wait_for_return("unlock")
        lock.release()
        print("lockdemo: unlocked", flush=True)


def main() -> None:
    words = sys.argv[1:]
    shared = "--shared" in words
    files = [word for word in words if word != "--shared"]
    # A shared lock needs a file that we may read, an exclusive one a file that we may write.
    lock = RecordLock(files[0] if files else __file__, shared=shared)
    try:
        take_turns(lock)
    except KeyboardInterrupt:
        print("lockdemo: interrupted. The lock is not ours any more")
    finally:
        lock.close()


if __name__ == "__main__":
    main()
