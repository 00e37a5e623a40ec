"""An SQLite catalog whose disk takes no writing, opened all the same, so that backups can be listed and got out.

SQLite makes two small files beside a catalog before it reads it, which a full or read-only disk refuses. Without a
write-ahead log the file is opened as one that nobody changes. With one, file and log are copied to the folder for
temporary files first: what is only in the log was committed too.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, QueuePool, create_engine


def open_read_only(path: Path, busy_seconds: float, connections_max: int) -> tuple[Engine, Path | None]:
    """Return an engine that only reads, and the folder to remove after it, if there is one. Raises OSError.

    Nobody else may have the catalog open.
    """
    log = Path(f"{path}-wal")
    if not log.exists() or not log.stat().st_size:
        return _engine(f"file:{quote(str(path))}?mode=ro&immutable=1", busy_seconds, connections_max), None
    folder = Path(tempfile.mkdtemp(prefix="holdfast-catalog-"))
    try:
        copy = folder / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, f"{copy}-wal")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _engine(f"file:{quote(str(copy))}", busy_seconds, connections_max), folder


def _engine(uri: str, busy_seconds: float, connections_max: int) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, timeout=busy_seconds, check_same_thread=False, uri=True, isolation_level=None)
        connection.execute("PRAGMA query_only=ON")
        return connection

    return create_engine(
        "sqlite+pysqlite://", creator=connect, poolclass=QueuePool, pool_size=1, max_overflow=connections_max - 1
    )
