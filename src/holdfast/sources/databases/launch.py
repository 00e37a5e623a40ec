"""Starts a database's client so that it cannot outlive Holdfast, nor anything that it starts.

Run as a program: `python -I -S launch.py PARENT-ID PROGRAM ARGUMENT...`, as the leader of a process group. It waits for
the client and ends as that ends; when the process that started it is gone, the kernel says so, and it ends the group.
"""

import ctypes
import os
import signal
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_SIGNALLED = 128
"""As shells do: the exit code of a client that a signal ended is this and the signal's number."""


def main() -> NoReturn:
    parent, program, *arguments = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(125)  # it died before the kernel knew
    os.umask(0o077)
    client = os.fork()
    if not client:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            os.execv(program, [program, *arguments])
        except OSError as error:
            os.write(2, f"{program} could not be started ({error.strerror})\n".encode())
            os._exit(126)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)  # the ends of the pipes are the client's alone: who reads them sees when it ends
    _, status = os.waitpid(client, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else _SIGNALLED - code)


if __name__ == "__main__":
    main()
