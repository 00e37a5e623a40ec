"""The protocol between the process pool and its workers.

Frames on the pipes: u32 length, then a body. To the worker: first a pickled `Setup` (parent to own child only), then
MessagePack jobs, an empty frame for the end. From it: MessagePack replies; the last one carries the remaining packs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import msgspec

from holdfast.stores.port import Store
from holdfast.vault.archiver.tasks import Result
from holdfast.vault.pack.segment import Encoder

if TYPE_CHECKING:
    from holdfast.vault.source import ReadableSource

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Setup:
    """Everything that a worker needs before its first job."""

    source: ReadableSource
    store: Store
    data_key: bytes
    vault_id: str
    encoder: Encoder
    claims_fd: int
    claims_slots: int
    known_fd: int
    known_count: int


class Failure(msgspec.Struct, tag="failure"):
    """The last message of a worker that failed."""

    kind: str
    message: str


class Success(msgspec.Struct, tag="success"):
    """One result."""

    result: Result


Reply = Success | Failure


def send_frame(stream: IO[bytes], body: bytes) -> None:
    """Write one frame."""
    stream.write(_LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Read one frame; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None
