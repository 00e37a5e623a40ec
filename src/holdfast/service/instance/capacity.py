"""The capacity of the web process: how many connections and downloads its descriptors allow at once."""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import dataclass

from holdfast.service.instance.config import Config
from holdfast.vault.reader.records import OPEN_PACKS_MAX

RESERVED_FILES = 256
"""Descriptors for all else: the catalog, locks, uploads, libraries, programs that are started."""

CONNECTIONS_MIN = 16
DOWNLOADS_MIN = 4


@dataclass(frozen=True, slots=True)
class Capacity:
    """At most this many at once. A download is one of the connections, and has packs open besides."""

    connections: int
    downloads: int


def raise_open_files() -> None:
    """Raise the limit on open files of this process, and of all it starts, to the system's hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a kernel that refuses its own hard limit: the soft one stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files_max(pid: int = 0, *, hard: bool = False) -> int | None:
    """The descriptors that a process (0: this one) may have; `hard`: may have once it asks. None: without limit."""
    found = resource.prlimit(pid, resource.RLIMIT_NOFILE)[hard]
    return None if found == resource.RLIM_INFINITY else found


def capacity_of(config: Config, open_files: int | None) -> Capacity:
    """The capacity with `open_files` descriptors: what the settings say, or less, so that it fits."""
    if open_files is None:
        return Capacity(config.connections_max, config.downloads_max)
    free = max(0, open_files - RESERVED_FILES)
    # Packs get at most half: few connections that download are worth less than many that are answered.
    downloads = max(DOWNLOADS_MIN, min(config.downloads_max, free // 2 // OPEN_PACKS_MAX))
    connections = max(CONNECTIONS_MIN, min(config.connections_max, free - downloads * OPEN_PACKS_MAX))
    return Capacity(connections, min(downloads, connections))
