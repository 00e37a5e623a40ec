"""The server of the web process: uvicorn on a socket that we open ourselves.

Our own socket makes a port in use one clear sentence instead of a traceback, and port 0 usable. Stopping has two
phases: *draining*, in which running requests may finish and new ones are answered 503, for at most `grace_seconds`;
then uvicorn closes the remaining connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from types import FrameType

import uvicorn
from uvicorn.server import ServerState

from holdfast.service.instance.home import Instance
from holdfast.web.app import Front, create_app
from holdfast.web.protocol import BoundedProtocol

GRACE_SECONDS = 30.0
SWEEP_SECONDS = 0.5
"""The interval at which the connections are swept, while there are any."""

DRAIN_SECONDS = 0.1
"""The interval at which a server that stops looks whether it has answered everything."""

BACKLOG = 2048


class ServerError(Exception):
    """The server can't start; the message is one sentence for a person."""


class PortInUse(ServerError):
    """Another program listens on the address and port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Port {port} on {host} is in use by another program; stop it, or choose another with --port.")
        self.host = host
        self.port = port


def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for every address of `host` (`localhost` often has two). Port 0 takes a free one.

    Raises PortInUse, ServerError.
    """
    if not 0 <= port <= 65535:  # getaddrinfo would take the number modulo 65536
        raise ServerError(f"Port {port} is out of range; choose one from 1 to 65535 with --host and --port.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, OverflowError, UnicodeError) as error:
        raise ServerError(f"The address {host}:{port} is not one of this machine ({error}); see --host.") from None
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in found:
            if sockets and port == 0:
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            try:
                opened = socket.socket(family, kind, protocol)
            except OSError:
                continue  # a kernel without IPv6
            sockets.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                opened.bind(address)
                opened.listen(BACKLOG)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and len(found) > 1:
                    sockets.pop().close()
                    continue
                raise
    except OSError as error:
        for opened in sockets:
            opened.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from None
        raise ServerError(
            f"Can't listen on {host}:{port} ({error.strerror}); choose others with --host and --port."
        ) from None
    if not sockets:
        raise ServerError(f"The address {host} is not one of this machine; see --host.")
    return sockets


class DatedState(ServerState):
    """State that uvicorn's connections share, with a `Date` that is made when an answer needs it.

    uvicorn's own loop makes one each second, whether or not anybody asks.
    """

    def __init__(self) -> None:
        self._second = -1
        self._headers: list[tuple[bytes, bytes]] = []
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every answer."""
        now = int(time.time())
        if now != self._second:
            self._second, self._headers = now, [(b"date", formatdate(now, usegmt=True).encode())]
        return self._headers

    @default_headers.setter
    def default_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._headers = headers


class WebServer(uvicorn.Server):
    """One running server. `run` blocks until a signal or `stop`. Nothing wakes it while nobody is connected."""

    def __init__(
        self,
        front: Front,
        sockets: list[socket.socket],
        on_ready: Callable[[int], None],
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                front,
                loop="uvloop",
                http=BoundedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # `http/addresses.py` says whose header counts
                timeout_graceful_shutdown=1,
            )
        )
        self.server_state = DatedState()
        self.port: int = sockets[0].getsockname()[1]
        self._context = front.context
        self._sockets = sockets
        self._on_ready = on_ready
        self._grace_seconds = grace_seconds
        self._drained_by: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()

    def serve_until_stopped(self) -> None:
        """Serve; returns when the last answer is finished or its time is over."""
        self.run(sockets=self._sockets)

    def stop(self) -> None:
        """Begin to stop; from any thread."""
        self.should_exit = True
        self._wake()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._woken.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.get_running_loop().run_in_executor(self._context.calls, self._context.store_watch.start)
        self._context.download_audit.start()
        await super().startup(sockets)
        self._on_ready(self.port)

    async def main_loop(self) -> None:
        """Sweep the connections while there are any, and return once the server is told to stop and has drained."""
        self._loop = asyncio.get_running_loop()
        self._context.connections.on_first = self._woken.set
        while not self._is_over():
            is_some = len(self._context.connections) > 0
            seconds = DRAIN_SECONDS if self.should_exit else SWEEP_SECONDS if is_some else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
            self._woken.clear()
            self._context.connections.sweep()

    def _is_over(self) -> bool:
        context = self._context
        if not self.should_exit:
            return False
        context.draining = True
        if self._drained_by is None:
            self._drained_by = context.now() + self._grace_seconds
        return self.force_exit or context.in_flight == 0 or context.now() >= self._drained_by

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but without raising the signal again afterwards, as the caller shuts down by itself."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(instance: Instance, host: str, port: int, on_ready: Callable[[int], None]) -> None:
    """Serve an instance until SIGINT or SIGTERM. `on_ready` gets the port once requests are answered.

    Raises PortInUse, ServerError before anything is started.
    """
    sockets = listen(host, port)
    WebServer(create_app(instance), sockets, on_ready).serve_until_stopped()
