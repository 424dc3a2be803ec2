"""What the shell does for `ls | wc -l`, with the status of both programs.

Usage: pipe3.py [FOLDER]
"""

import sys

from unixipc import pipeline


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    result = pipeline(["ls", "--", folder], ["wc", "-l"]).run(timeout=30)
    print(f"ls {folder} | wc -l  says {result.stdout.decode().strip()}")
    for program, status in zip(("ls", "wc"), result.statuses, strict=True):
        print(f"{program} ended: {status}")
    sys.exit(0 if result.succeeded else 1)  # a shell without pipefail would only look at wc


if __name__ == "__main__":
    main()
