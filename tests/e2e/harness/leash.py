"""Become another program that the kernel ends together with its parent.

`python leash.py PARENT_PID PROGRAM ARGUMENT...`; where the kernel knows no such thing (not Linux), only the program.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie this process to its parent, then turn into the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have gone before the kernel was asked.
        if os.getppid() != parent:
            sys.exit("The parent is gone.")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
