"""`holdfast` in processes forked from one that has imported it: to start Python and import it costs 0.6 s of CPU.

The process waits for requests on its standard input, a Unix socket. A command that it forks has the arguments, the
environment, the folder and the standard streams of its request, and runs the entry point as a shell would start it.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import holdfast
from holdfast.cli import entry
from kit import once

_REQUEST_BYTES_MAX = 1 << 20
_STREAMS = 2
_FDS = _STREAMS + 1
"""Standard output, standard error, and the pipe that gets the exit code."""

_FLOORS = ("catalog", "cli", "schemas", "service", "sources", "vault")
"""The packages that commands import when they run: each module of them is imported ahead."""


class Forker:
    """The process that forks commands; started at the first one, ended with this process."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REQUEST_BYTES_MAX)
        command, tests = [sys.executable, "-m", "kit.forked"], Path(__file__).parents[1]
        self._process = subprocess.Popen(command, stdin=theirs.fileno(), cwd=tests)
        theirs.close()
        atexit.register(self._end)

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done, code_end = os.pipe()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            request = json.dumps([list(arguments), dict(environment), str(folder)]).encode()
            streams = array.array("i", [output.fileno(), errors.fileno(), code_end])
            self._socket.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
            os.close(code_end)
            with os.fdopen(done, "rb") as answer:
                code = answer.read()
            texts = [_text(stream.fileno()) for stream in (output, errors)]
        assert code, (arguments, "it was killed, or ended without an exit code", texts)
        return subprocess.CompletedProcess(list(arguments), int(code), *texts)

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


def _text(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode()


def _import_all() -> None:
    for floor in _FLOORS:
        package = importlib.import_module(f"{holdfast.__name__}.{floor}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".versions." not in module.name and not module.name.endswith(".env"):
                importlib.import_module(module.name)


def _serve() -> None:
    """Fork a command for each request, until the other side is closed."""
    _import_all()
    once.share()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    requests = socket.socket(fileno=0)
    while True:
        request, control, _, _ = requests.recvmsg(_REQUEST_BYTES_MAX, socket.CMSG_SPACE(_FDS * 4))
        if not request:
            return
        fds = array.array("i", control[0][2])
        if os.fork() == 0:
            arguments, environment, folder = json.loads(request)
            _be_command(arguments, environment, folder, fds)
        for fd in fds:
            os.close(fd)


def _be_command(arguments: list[str], environment: dict[str, str], folder: str, fds: Sequence[int]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for stream in range(_STREAMS):
        os.dup2(fds[stream], stream + 1)
        os.close(fds[stream])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["holdfast", *arguments]
    os.write(fds[_STREAMS], str(_exit_code()).encode())
    os._exit(0)


def _exit_code() -> int:
    try:
        entry.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    _serve()
