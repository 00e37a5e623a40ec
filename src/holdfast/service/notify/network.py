"""Connections of the HTTP client to servers that others name: to addresses that were checked, until a deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from holdfast.service.notify.egress import Egress, NotReachable


def tls_context() -> ssl.SSLContext:
    """Return the check of certificates: by the authorities of certifi, and those that the machine's owner trusts."""
    context = httpcore.default_ssl_context()
    context.load_default_certs()
    return context


class CheckedNetwork(httpcore.NetworkBackend):
    """Connects to addresses that were looked at, and to no others; everything ends at the deadline (monotonic)."""

    def __init__(self, egress: Egress, deadline: float) -> None:
        self._egress = egress
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address, *others = self._egress.addresses(host, port)
        while True:
            try:
                left = _left(self._deadline, httpcore.ConnectTimeout)
                return _Stream(self._inner.connect_tcp(address, port, left), self._deadline)
            except httpcore.ConnectError:
                if not others:
                    raise
                address, *others = others

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise NotReachable("Only hosts can be reached.")


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends at the deadline: a receiver that answers byte by byte gains no time."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float, late: Callable[[str], Exception]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("too late")
    return left
