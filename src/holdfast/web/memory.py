"""Giving memory back to the system: glibc keeps what was freed between blocks that are still used, until it is told."""

from __future__ import annotations

import asyncio
import ctypes
from concurrent.futures import ThreadPoolExecutor

QUIET_SECONDS = 2.0
"""The wait after something large was freed: many that end together cost one look."""

ARENAS_MAX = 2
"""Else each of dozens of threads would have its own arena, and what one of them freed would serve no other."""

M_ARENA_MAX = -8
"""malloc.h of glibc."""


class Memory:
    """The memory of a process. Used on the event loop only; the work is done in a thread."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._is_planned = False
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
        """Of glibc alone; other C libraries give memory back by themselves."""
        if self._trim is not None:
            library.mallopt(M_ARENA_MAX, ARENAS_MAX)

    def give_back_soon(self) -> None:
        """Give freed memory back to the system, in a moment."""
        if self._trim is not None and not self._is_planned:
            self._is_planned = True
            asyncio.get_running_loop().call_later(QUIET_SECONDS, self._give_back)

    def _give_back(self) -> None:
        self._is_planned = False
        assert self._trim is not None
        try:
            self._threads.submit(self._trim, 0)
        except RuntimeError:
            return  # the threads are let go: the process ends, and gives all back
