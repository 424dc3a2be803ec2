"""A child gets a copy of everything, and its parent collects how it ended.

Usage: fork1.py [STATUS]    the child exits with STATUS (default 3)
"""

import os
import sys

from unixipc import fork


def child_main(basket: list[str], status: int) -> int:
    basket.append("from the child")
    print(f"child:  I am {os.getpid()}, my parent is {os.getppid()}, my basket is {basket}")
    return status  # what the child's function returns is its exit status


def main() -> None:
    status = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    basket = ["from the parent"]
    print(f"parent: I am {os.getpid()}")
    with fork(child_main, basket, status) as child:
        print(f"parent: my child is {child.pid}; I wait for its status")
        print(f"parent: {child.pid} ended: {child.wait()}")
    print(f"parent: my basket is {basket}: the child changed its own copy")
    if not 0 <= status <= 255:
        print("parent: an exit status has 8 bits, so only the low 8 of yours arrived")


if __name__ == "__main__":
    main()
