"""Claims: the new chunks of this backup that a worker has already undertaken to store.

Several workers read at once and may meet the same content. The first to claim a chunk stores it; the others name it
and leave its stored length to be filled in at the end. A hash table with open addressing in memory that the workers
share (a memfd), 16 bytes of id a slot; a lock of the file (fcntl) guards it, so a worker that dies leaves it free.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress

_SLOT_BYTES = 16


class Claims:
    """A table of `slots` (a power of two). `fd` None: for one process alone."""

    def __init__(self, slots: int, fd: int | None) -> None:
        if slots & (slots - 1):
            raise ValueError("slots is a power of two")
        self._fd = fd
        self._mask = slots - 1
        self._room = slots - slots // 8
        memory: bytearray | mmap.mmap = (
            bytearray(slots * _SLOT_BYTES) if fd is None else mmap.mmap(fd, slots * _SLOT_BYTES)
        )
        self._words = memoryview(memory).cast("Q")

    @staticmethod
    def slots_for(chunks: int) -> int:
        """Return a table size at which `chunks` claims leave half of the table empty."""
        return max(1024, 1 << (2 * chunks - 1).bit_length())

    @staticmethod
    def shared_memory(slots: int) -> int:
        """Return a descriptor of zeroed memory for a table, to be passed to the workers."""
        fd = os.memfd_create("holdfast-claims", os.MFD_CLOEXEC)
        os.ftruncate(fd, slots * _SLOT_BYTES)
        return fd

    def claim(self, ids: Sequence[bytes]) -> list[bool]:
        """Claim ids; return for each True if the caller must store it, as nobody (the caller included) claimed it yet.

        In a full table every id is the caller's: a chunk may then be stored twice, which only costs space.
        """
        if self._fd is not None:
            fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            words, mask = self._words, self._mask
            out = []
            for chunk_id in ids:
                high = int.from_bytes(chunk_id[:8], "little") or 1
                low = int.from_bytes(chunk_id[8:16], "little")
                slot = high & mask
                for _ in range(self._room):
                    held = words[2 * slot]
                    if not held:
                        words[2 * slot] = high
                        words[2 * slot + 1] = low
                        out.append(True)
                        break
                    if held == high and words[2 * slot + 1] == low:
                        out.append(False)
                        break
                    slot = (slot + 1) & mask
                else:
                    out.append(True)
            return out
        finally:
            if self._fd is not None:
                fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the memory."""
        self._words.release()
        if self._fd is not None:
            with suppress(OSError):
                os.close(self._fd)
