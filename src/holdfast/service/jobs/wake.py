"""Wake the worker: whoever commits a row in state `queued` tells it, so that the work begins at once.

This is a datagram to a Unix socket in `run/`. It may be lost (nobody listens, or the socket's queue is full): the
worker polls every two seconds anyway.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from holdfast.service.instance.home import Instance

_NAME = "worker.sock"
_DATAGRAM_BYTES_MAX = 1

_log = logging.getLogger(__name__)


def wake(instance: Instance) -> None:
    """Tell the worker of this home that something was queued, if there is one."""
    with suppress(OSError), _socket(instance) as (sender, address):
        sender.sendto(b"q", socket.MSG_DONTWAIT, address)


@contextmanager
def _socket(instance: Instance) -> Iterator[tuple[socket.socket, str]]:
    """A socket, and the address of the worker's: by way of the folder, as an address has at most 107 bytes."""
    folder = os.open(instance.run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as made:
            yield made, f"/proc/self/fd/{folder}/{_NAME}"
    finally:
        os.close(folder)


class Wakeups:
    """The worker's end: only the process that holds the lock of the jobs may make one."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        with suppress(FileNotFoundError):
            (instance.run / _NAME).unlink()  # a dead worker's
        with _socket(instance) as (made, address):
            self._socket = made.dup()
            try:
                made.bind(address)
                (instance.run / _NAME).chmod(0o600)
            except OSError as error:  # a file system without sockets
                _log.warning("%s cannot be made, so what is queued begins up to two seconds later: %s", _NAME, error)

    def wait(self, seconds: float) -> bool:
        """Wait until somebody wakes this worker, at most this long; False when nobody did."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(_DATAGRAM_BYTES_MAX)
            self._socket.setblocking(False)
            while True:  # one look is enough for all who woke it until now
                self._socket.recv(_DATAGRAM_BYTES_MAX)
        except TimeoutError:
            return False
        except BlockingIOError:
            return True

    def wake(self) -> None:
        """Wake it from within its process."""
        wake(self._instance)

    def close(self) -> None:
        """Close the socket; nobody can wake the worker any more."""
        self._socket.close()
        with suppress(FileNotFoundError):
            (self._instance.run / _NAME).unlink()
