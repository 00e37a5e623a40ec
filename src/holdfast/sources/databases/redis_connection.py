"""A connection to a Redis or Valkey server, as far as a restore needs it: redis-py's connection, in its older protocol.

Not its client, which connects again by itself and would lose an open transaction; nor its pipeline, which keeps every
command and answer in memory. The password goes over the connection only: in no command line, no environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdfast.sources.databases.address import Address
from holdfast.sources.databases.passwords import scrubbed

if TYPE_CHECKING:  # the library takes 0.1 s to import, which a backup without Redis does not need
    from redis.connection import AbstractConnection
    from redis.exceptions import ResponseError

Reply = bytes | int | list["Reply"] | None
Word = bytes | str | int


class RedisError(Exception):
    """The server refused, or cannot be reached; the message is its own."""


class Refusal(RedisError):
    """The server answered with an error."""


class RedisConnection:
    """One connection. Use as a context."""

    def __init__(self, address: Address, password: str, *, seconds: float) -> None:
        """Connect and log in; each answer may take `seconds`. Raises RedisError."""
        from redis.exceptions import RedisError as LibraryError

        self._password = password
        self._connection = _connection(address, password, seconds)
        try:
            self._connection.connect()
        except (LibraryError, OSError, ValueError) as error:
            raise RedisError(scrubbed(_reason(error), password)) from None

    def __enter__(self) -> RedisConnection:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def set_timeout(self, seconds: float) -> None:
        """Allow each answer from now on `seconds`."""
        if self._connection._sock is not None:
            self._connection._sock.settimeout(seconds)

    def ask(self, *words: Word) -> Reply:
        """Send one command and return its answer. Raises Refusal, RedisError."""
        (answer,) = self.ask_all([words])
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Reply | Refusal]:
        """Send several commands at once and return their answers. Raises RedisError when the connection breaks."""
        from redis.exceptions import RedisError as LibraryError

        try:
            # A connection that is gone would be opened anew, without the transaction that was begun on it.
            if not self._connection.is_connected:
                raise RedisError("the connection broke off")
            self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
            return [self._answer() for _ in commands]
        except (LibraryError, OSError, ValueError) as error:
            raise RedisError(f"the connection broke off ({_reason(error)})") from None

    def _answer(self) -> Reply | Refusal:
        from redis.exceptions import ResponseError

        try:
            answer: Any = self._connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return self._refusal(error)
        if isinstance(answer, list):  # those of a transaction, refusals among them
            return [self._refusal(one) if isinstance(one, ResponseError) else one for one in answer]  # type: ignore[misc]
        return answer  # type: ignore[no-any-return]

    def _refusal(self, error: ResponseError) -> Refusal:
        return Refusal(scrubbed(_reason(error), self._password))


def _connection(address: Address, password: str, seconds: float) -> AbstractConnection:
    from redis.backoff import NoBackoff
    from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
    from redis.retry import Retry

    settings: dict[str, Any] = {
        "username": address.user or None,
        "password": password or None,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    if address.socket:
        return UnixDomainSocketConnection(path=address.socket, **settings)  # type: ignore[abstract]  # has no host
    settings |= {"host": address.host, "port": address.port}
    if address.is_tls:
        return SSLConnection(ssl_ca_certs=address.options.get("cacert"), **settings)
    return Connection(**settings)


def _reason(error: BaseException) -> str:
    """Return the system's message if an error has such a cause, else the server's, with the code that was cut off."""
    for cause in (error, error.__cause__, error.__context__):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    code = getattr(error, "status_code", None)
    return f"{code} {error}" if code else str(error)


def info(reply: Reply) -> dict[str, str]:
    """Return the lines of INFO's answer, by name."""
    assert isinstance(reply, bytes)
    pairs = (line.partition(":") for line in reply.decode(errors="replace").splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}
