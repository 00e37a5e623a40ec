"""A connection to a Redis or Valkey server, as far as a restore needs it (RESP2, https://redis.io/docs/reference/protocol-spec/).

The password goes over the connection only, so it stands in no command line and no environment.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from holdfast.sources.databases.address import Address
from holdfast.sources.databases.passwords import scrubbed
from holdfast.units import GIB

REPLY_BYTES_MAX = GIB
"""Of one value; Redis itself allows 512 MiB."""

DEPTH_MAX = 8

Reply = bytes | int | list["Reply"] | None
Word = bytes | str | int


class RedisError(Exception):
    """The server refused, or cannot be reached; the message is its own."""


class Refusal(RedisError):
    """The server answered with an error."""


class Resp:
    """One connection. Use as a context."""

    def __init__(self, address: Address, password: str, *, seconds: float) -> None:
        """Connect and log in. Raises RedisError."""
        self._password = password
        try:
            self._socket = self._connected(address, seconds)
        except (OSError, ssl.SSLError) as error:
            raise RedisError(error.strerror or str(error)) from None
        self._file = self._socket.makefile("rb")
        try:
            if password:
                self.ask("AUTH", *([address.user] if address.user else []), password)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _connected(address: Address, seconds: float) -> socket.socket:
        if address.socket:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            plain.settimeout(seconds)
            plain.connect(address.socket)
            return plain
        plain = socket.create_connection((address.host, address.port), seconds)
        if not address.is_tls:
            return plain
        context = ssl.create_default_context(cafile=address.options.get("cacert"))
        return context.wrap_socket(plain, server_hostname=address.host)

    def __enter__(self) -> Resp:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def patience(self, seconds: float) -> None:
        """Wait so long for each answer from now on."""
        self._socket.settimeout(seconds)

    def ask(self, *words: Word) -> Reply:
        """One command; its answer. Raises Refusal, RedisError."""
        (answer,) = self.ask_all([words])
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Reply | Refusal]:
        """Several commands at once; what each gave. Raises RedisError when the connection breaks."""
        try:
            self._socket.sendall(b"".join(_encoded(words) for words in commands))
            return [self._reply(0) for _ in commands]
        except (OSError, ValueError) as error:
            raise RedisError(f"the connection broke off ({error})") from None

    def _reply(self, depth: int) -> Reply | Refusal:
        line = self._file.readline(64 * 1024)
        if not line.endswith(b"\r\n"):
            raise RedisError("the connection broke off")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return Refusal(scrubbed(rest.decode(errors="replace"), self._password))
        if kind == b":":
            return int(rest)
        count = int(rest)
        if kind == b"$":
            if count < 0:
                return None
            if count > REPLY_BYTES_MAX:
                raise RedisError("an answer is longer than can be")
            data = self._file.read(count + 2)
            if len(data) != count + 2:
                raise RedisError("the connection broke off")
            return data[:-2]
        if kind == b"*" and depth < DEPTH_MAX:
            if count < 0:
                return None
            return [self._reply(depth + 1) for _ in range(count)]  # type: ignore[misc]  # refusals within, of EXEC
        raise RedisError("an answer makes no sense; is this a Redis server?")


def _encoded(words: Sequence[Word]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def info(reply: Reply) -> dict[str, str]:
    """What INFO says, by name."""
    assert isinstance(reply, bytes)
    pairs = (line.partition(":") for line in reply.decode(errors="replace").splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}
