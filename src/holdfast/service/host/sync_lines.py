"""The body of a sync: kept in a file without a name while it comes, read line by line, each line checked by itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import msgspec
from msgspec import UNSET

from holdfast.schemas.host.sync import ACCOUNT, APP, AccountLine, AppLine, SyncAnswer
from holdfast.service.errors import Invalid, ServiceError, TooLarge
from holdfast.service.host.accounts import check_account, check_external_id
from holdfast.service.host.wanted_apps import require_body
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import run_trouble

LINE_BYTES_MAX = 64 * 1024
LINES_MAX = 300_000
BYTES_MAX = 512 * 1024 * 1024

_FIELD = re.compile(r"(.*) - at `\$\.(\w+)")
_decoder = msgspec.json.Decoder(AccountLine | AppLine)


class _Named(msgspec.Struct):
    """All of a line that says what it is about."""

    type: str
    external_id: str


_named = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a sync. `wanted`: None when it is refused already, by `refusal`."""

    number: int
    kind: str | None
    external_id: str | None
    wanted: AccountLine | AppLine | None = None
    refusal: ServiceError | None = None

    def refused(self, error: ServiceError) -> SyncAnswer:
        """Return the answer to a line that is refused."""
        return self.answer("refused", code=error.code, message=error.message)

    def answer(self, result: str, **more: object) -> SyncAnswer:
        """Return the answer to the line."""
        about = {"line": self.number, "type": self.kind, "external_id": self.external_id}
        return SyncAnswer(**about, result=result, **more)  # type: ignore[arg-type]


@dataclass
class Names:
    """The external ids in a sync, by kind; those that stand in it twice; the number of lines that name nothing."""

    once: dict[str, set[str]] = field(default_factory=lambda: {ACCOUNT: set(), APP: set()})
    twice: dict[str, set[str]] = field(default_factory=lambda: {ACCOUNT: set(), APP: set()})
    unread: int = 0


class SyncBody:
    """The lines of a sync. Raises TooLarge, Unavailable."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._bytes = 0
        try:
            self._file = cast("BinaryIO", tempfile.TemporaryFile(dir=instance.run))  # noqa: SIM115 (closed by close)
        except OSError as error:
            raise run_trouble(instance, error) from error

    def write(self, piece: bytes | bytearray) -> None:
        """Take the next piece of it."""
        self._bytes += len(piece)
        if self._bytes > BYTES_MAX:
            raise self.too_large()
        try:
            self._file.write(piece)
        except OSError as error:
            raise run_trouble(self._instance, error) from error

    def too_large(self) -> TooLarge:
        """The error for one that is too large."""
        return TooLarge(f"A sync has at most {BYTES_MAX // 2**20} MiB; send its lines in several.")

    def close(self) -> None:
        """Let it go; more than once is fine."""
        self._file.close()

    def names(self) -> Names:
        """Return what is named in it."""
        found = Names()
        for number, text in self._texts():
            if number > LINES_MAX:
                raise TooLarge(f"A sync has at most {LINES_MAX} lines; send them in several.")
            kind, external_id = _name_of(text)
            if kind is None or external_id is None:
                found.unread += 1
            elif external_id in found.once[kind]:
                found.twice[kind].add(external_id)
            else:
                found.once[kind].add(external_id)
        return found

    def lines(self, names: Names) -> Iterator[Line]:
        """The lines in their order, each checked by itself; empty ones are passed over."""
        for number, text in self._texts():
            yield _line_of(number, text, names)

    def _texts(self) -> Iterator[tuple[int, bytes | None]]:
        """The number and the text of each line; None for one that is too long."""
        file, number = self._file, 0
        file.seek(0)
        while text := file.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(text) > LINE_BYTES_MAX and not text.endswith(b"\n"):
                while (rest := file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                    pass
                yield number, None
            elif text.strip():
                yield number, text


def _name_of(text: bytes | None) -> tuple[str | None, str | None]:
    try:
        named = _named.decode(text or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, None
    return (named.type, named.external_id) if named.type in (ACCOUNT, APP) else (None, None)


def _line_of(number: int, text: bytes | None, names: Names) -> Line:
    kind, external_id = _name_of(text)
    try:
        wanted = _wanted(text)
        if kind is not None and external_id in names.twice[kind]:
            raise Invalid("external_id", "The external id stands in the sync twice; nothing of it was changed.")
        return Line(number, kind, external_id, wanted)
    except ServiceError as error:
        return Line(number, kind, external_id, refusal=error)


def _wanted(text: bytes | None) -> AccountLine | AppLine:
    """Return what a line wants. Raises Invalid."""
    if text is None:
        raise Invalid("json_body", f"A line has at most {LINE_BYTES_MAX // 1024} KiB.")
    try:
        wanted: AccountLine | AppLine = _decoder.decode(text)
    except msgspec.ValidationError as error:
        match = _FIELD.match(str(error))
        if match is None or match[2] == "type":
            raise Invalid("json_body", f"The line is not an account or an application: {error}.") from None
        raise Invalid(match[2], f"{match[2]} is not what it must be: {match[1]}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid("json_body", "The line is not a JSON object.") from None
    check_external_id("" if wanted.external_id is UNSET else str(wanted.external_id))
    if isinstance(wanted, AccountLine):
        check_account(wanted)
    else:
        require_body(wanted)
    return wanted
