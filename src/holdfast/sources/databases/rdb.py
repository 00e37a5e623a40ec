"""The check of an RDB file: its head, its end mark, and the CRC-64 behind that.

Format: https://rdb.fnordig.de/file_format.html; `REDIS` and four digits of a version, ..., 0xFF, CRC-64 over all before
it (little-endian; 0 where the server has checksums switched off).
"""

from __future__ import annotations

import re
from pathlib import Path

import anycrc

_HEAD = re.compile(rb"REDIS(\d{4})|VALKEY(\d{3})")
_END_OPCODE = b"\xff"
_CRC_BYTES = 8
_CRC64 = anycrc.Model("CRC64-REDIS")
_FIRST_WITH_CRC = 5
_PIECE_BYTES = 1024 * 1024


def problem_of(path: Path) -> str | None:
    """Return the fault of an RDB file, as the rest of a sentence; None when it is whole. Raises OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(9)
        found = _HEAD.match(head)
        if found is None:
            return "it does not start like a dump of Redis"
        tail = _CRC_BYTES if int(found[1] or found[2]) >= _FIRST_WITH_CRC else 0
        covered = size - tail
        if covered < len(head) + 1:
            return "it ends after its head"
        file.seek(covered - 1)
        if file.read(1) != _END_OPCODE:
            return "its end mark is missing"
        expected = int.from_bytes(file.read(tail), "little")
        if not expected:
            return None
        file.seek(0)
        crc, left = 0, covered
        while left:
            piece = file.read(min(left, _PIECE_BYTES))
            if not piece:
                return "it is shorter than it was"
            crc = _CRC64.calc(piece, crc)
            left -= len(piece)
        return None if crc == expected else "its checksum does not match"
