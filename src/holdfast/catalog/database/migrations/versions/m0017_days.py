"""The days of applications, filled from what is still known: backups, jobs, and the events of the last 30 days.

A row is what counting as it went would have given (`catalog.events.days`), as far as its backups were not removed for
good before: of such a one the events tell how it ended and what it had added, and not the size of its content. All of
it is done by the database, so that a million backups take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, tzinfo

import sqlalchemy as sa
from alembic import context, op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SECOND_NS = 1_000_000_000
_HOUR = 3600

_TABLES = (
    "CREATE TEMP TABLE day_begins (begins BIGINT PRIMARY KEY, day VARCHAR(10) NOT NULL)",
    """
CREATE TEMP TABLE day_facts (
  app_id VARCHAR(32) NOT NULL, at BIGINT NOT NULL,
  good BIGINT DEFAULT 0, failed BIGINT DEFAULT 0, cancelled BIGINT DEFAULT 0, missed BIGINT DEFAULT 0,
  damaged BIGINT DEFAULT 0, proved BIGINT DEFAULT 0, added BIGINT DEFAULT 0, stored BIGINT DEFAULT 0, content BIGINT
)
""",
)
"""The changes, each at a time. `stored`: by how much what is stored grew; `content`: of a good backup, where known."""

_ENDED = """
INSERT INTO day_facts (app_id, at, good, failed, cancelled, added, content, stored)
SELECT app_id, finished_at,
  CASE WHEN error_code IS NULL AND origin <> 'imported' THEN 1 ELSE 0 END,
  CASE WHEN error_code <> 'CANCELLED' THEN 1 ELSE 0 END,
  CASE WHEN error_code = 'CANCELLED' THEN 1 ELSE 0 END,
  stored_bytes, CASE WHEN error_code IS NULL AND origin <> 'imported' THEN content_bytes END, stored_bytes
FROM backups WHERE finished_at IS NOT NULL
"""
"""A backup that is there; one that failed has added nothing."""

_GONE = """
INSERT INTO day_facts (app_id, at, good, failed, cancelled, added, stored)
SELECT e.app_id, e.at,
  CASE WHEN e.kind = 'backup.finished' AND {origin} <> 'imported' THEN 1 ELSE 0 END,
  CASE WHEN e.kind = 'backup.failed' AND {code} <> 'CANCELLED' THEN 1 ELSE 0 END,
  CASE WHEN e.kind = 'backup.failed' AND {code} = 'CANCELLED' THEN 1 ELSE 0 END,
  COALESCE({stored_size}, 0),
  CASE WHEN EXISTS (SELECT 1 FROM events d WHERE d.backup_id = e.backup_id AND d.kind = 'backup.deleted')
    THEN COALESCE({stored_size}, 0) ELSE 0 END
FROM events e
WHERE e.kind IN ('backup.finished', 'backup.failed') AND {of_app}
  AND NOT EXISTS (SELECT 1 FROM backups b WHERE b.id = e.backup_id)
"""
"""A backup that is not there any more; without an event that it was deleted nobody knows how long it was stored."""

_MOVED = """
INSERT INTO day_facts (app_id, at, stored)
SELECT m.app_id, m.at, m.sign * COALESCE(b.stored_bytes, (
  SELECT {stored_size} FROM events e WHERE e.backup_id = m.backup_id AND e.kind = 'backup.finished' LIMIT 1
), 0)
FROM (
  SELECT app_id, backup_id, at, -1 AS sign FROM events e WHERE kind = 'backup.deleted' AND {of_app}
  UNION
  SELECT app_id, id, deleted_at, -1 FROM backups WHERE deleted_at IS NOT NULL
  UNION
  SELECT app_id, backup_id, at, 1 FROM events e WHERE kind = 'backup.undeleted' AND {of_app}
) m LEFT JOIN backups b ON b.id = m.backup_id
"""
"""A backup that was deleted, into the trash or for good, or brought back."""

_MISSED = """
INSERT INTO day_facts (app_id, at, missed)
SELECT app_id, at, 1 FROM events e WHERE kind = 'backup.overdue' AND {of_app}
UNION
SELECT id, overdue_since, 1 FROM apps WHERE overdue_since IS NOT NULL
"""

_DAMAGED = """
INSERT INTO day_facts (app_id, at, damaged)
SELECT app_id, at, COALESCE({count}, 1) FROM events e WHERE kind = 'verify.failed' AND {of_app}
"""

_PROVED = """
INSERT INTO day_facts (app_id, at, proved)
SELECT app_id, MIN(at), 1 FROM (
  SELECT q.*, {day_of_q} AS day FROM (
    SELECT app_id, id AS backup_id, restore_proved_at AS at FROM backups WHERE restore_proved_at IS NOT NULL
    UNION ALL
    SELECT j.app_id, j.backup_id, j.finished_at FROM jobs j LEFT JOIN backups b ON b.id = j.backup_id
    WHERE j.kind = 'prove' AND j.state = 'successful' AND {is_whole}
      AND j.finished_at < COALESCE(b.restore_proved_at, j.finished_at + 1)
      AND EXISTS (SELECT 1 FROM apps a WHERE a.id = j.app_id)
  ) q
) p GROUP BY app_id, backup_id, day
"""
"""A backup that was proved, once a day. Its own row has the last time only; the job of an earlier one ended with it."""

_DAYS = """
INSERT INTO days (app_id, day, good, failed, cancelled, missed, damaged, proved,
  added_bytes, content_bytes, stored_bytes)
SELECT app_id, day, SUM(good), SUM(failed), SUM(cancelled), SUM(missed), SUM(damaged), SUM(proved),
  SUM(added), COALESCE(SUM(CASE WHEN place = 1 THEN content END), 0),
  SUM(SUM(stored)) OVER (PARTITION BY app_id ORDER BY day)
FROM (
  SELECT f.*, ROW_NUMBER() OVER (
    PARTITION BY app_id, day ORDER BY CASE WHEN content IS NULL THEN 0 ELSE at END DESC
  ) AS place
  FROM (SELECT q.*, {day_of_q} AS day FROM day_facts q) f
) h GROUP BY app_id, day
"""

_FOREIGN_KEY = (
    "ALTER TABLE days ADD CONSTRAINT days_app_id_fkey FOREIGN KEY (app_id) REFERENCES apps (id) ON DELETE CASCADE"
)
_DAY_OF_Q = "(SELECT d.day FROM day_begins d WHERE d.begins <= q.at ORDER BY d.begins DESC LIMIT 1)"
_OF_APP = "EXISTS (SELECT 1 FROM apps a WHERE a.id = e.app_id)"


def upgrade() -> None:
    """Fill the days by the instance's time zone; so far nothing has counted any."""
    connection = op.get_bind()
    known = _bounds(connection)
    if known is None:
        return
    for table in _TABLES:
        connection.exec_driver_sql(table)
    begins = sa.table("day_begins", sa.column("begins"), sa.column("day"))
    days = _day_begins(*known, context.config.attributes["zone"])
    connection.execute(begins.insert(), [{"begins": at * _SECOND_NS, "day": day.isoformat()} for at, day in days])
    is_sqlite = connection.dialect.name == "sqlite"
    words = _words(is_sqlite=is_sqlite)
    for statement in (_ENDED, _GONE, _MOVED, _MISSED, _DAMAGED, _PROVED):
        connection.exec_driver_sql(statement.format(**words))
    if not is_sqlite:  # which would look each row's application up by itself
        connection.exec_driver_sql("ALTER TABLE days DROP CONSTRAINT days_app_id_fkey")
    connection.exec_driver_sql(_DAYS.format(**words))
    if not is_sqlite:
        connection.exec_driver_sql(_FOREIGN_KEY)
    for name in ("day_facts", "day_begins"):
        connection.exec_driver_sql(f"DROP TABLE {name}")


def _words(*, is_sqlite: bool) -> dict[str, str]:
    """Return the parts of statements in the words of the database."""

    def value(column: str, name: str) -> str:
        return f"json_extract({column}, '$.{name}')" if is_sqlite else f"({column}::json ->> '{name}')"

    number = "CAST({} AS BIGINT)"
    return {
        "day_of_q": _DAY_OF_Q,
        "of_app": _OF_APP,
        "origin": f"COALESCE({value('e.data', 'origin')}, '')",
        "code": f"COALESCE({value('e.data', 'code')}, '')",
        "stored_size": number.format(value("e.data", "stored_size")),
        "count": number.format(value("e.data", "backups_count")),
        "is_whole": f"{value('j.result', 'is_whole')} = {'1' if is_sqlite else repr('true')}",
    }


def _bounds(connection: sa.Connection) -> tuple[int, int] | None:
    """Return the times of the oldest and the newest thing that a day may have; None when there is nothing."""
    times = {
        "backups": ("finished_at", "deleted_at", "restore_proved_at"),
        "events": ("at",),
        "jobs": ("finished_at",),
        "apps": ("overdue_since",),
    }
    found: list[int] = []
    for table, columns in times.items():
        bounds = ", ".join(f"MIN({column}), MAX({column})" for column in columns)
        row = connection.exec_driver_sql(f"SELECT {bounds} FROM {table}").one()
        found += [at for at in row if at is not None]
    return (min(found), max(found)) if found else None


def _day_begins(oldest: int, newest: int, zone: tzinfo) -> Iterator[tuple[int, date]]:
    """Yield the time (seconds since 1970) at which each day begins, the first no later than `oldest`.

    Days are found by looking at the clock, not made by adding: clocks may change at midnight, and a zone that moves to
    the other side of the date line leaves out a day.
    """

    def day_at(seconds: int) -> date:
        return datetime.fromtimestamp(seconds, zone).date()

    at, last = oldest // _SECOND_NS, newest // _SECOND_NS
    day = day_at(at)
    yield at, day
    while at <= last:
        following = at + _HOUR
        if (next_day := day_at(following)) != day:
            before, begins = at, following
            while begins - before > 1:
                middle = (before + begins) // 2
                before, begins = (middle, begins) if day_at(middle) == day else (before, middle)
            yield begins, next_day
            day = next_day
        at = following
