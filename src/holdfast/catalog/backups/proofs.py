"""Test restores in the catalog: the next application, claimed together with the job for it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from holdfast.catalog.database.announce import announce
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import apps, backups, jobs
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.records import OPEN_JOBS, Actor, Job, State
from holdfast.units import DAY_NS

KIND = "prove"


def first_prove(connection: Connection, backup_id: str, finished_at: int) -> None:
    """With the first good backup of an application: its first test restore is due a day later, or up to two.

    Its id decides the time in between, so that applications added together are not all due at once.
    """
    app_id = connection.execute(select(backups.c.app_id).where(backups.c.id == backup_id)).scalar_one()
    spread = int.from_bytes(blake2b(app_id.encode(), digest_size=8).digest(), "little") % DAY_NS
    connection.execute(
        apps.update()
        .where(apps.c.id == app_id, apps.c.prove_at.is_(None))
        .values(prove_at=finished_at + DAY_NS + spread)
    )


def due_app(catalog: Catalog, node: str, now_ns: int) -> tuple[str, int] | None:
    """Return the application of a node whose test restore has been due for longest, and since when.

    None while a test restore of that node is queued or running, and when none is due.
    """
    query = (
        select(apps.c.id, apps.c.prove_at)
        .where(apps.c.node == node, apps.c.prove_at <= now_ns)
        .order_by(apps.c.prove_at)
        .limit(1)
    )
    with catalog.read() as connection:
        if _open_prove(connection, node) is not None:
            return None
        row = connection.execute(query).first()
    return None if row is None else (row[0], int(row[1]))


def _open_prove(connection: Connection, node: str) -> Row[Any] | None:
    is_open = jobs.c.state.in_(OPEN_JOBS), jobs.c.kind == KIND, jobs.c.node == node
    return connection.execute(select(jobs.c.id).where(*is_open).limit(1)).first()


def is_running(catalog: Catalog, node: str) -> bool:
    """Return True if a test restore of a node is queued or running."""
    with catalog.read() as connection:
        return _open_prove(connection, node) is not None


def newest_backup_id(catalog: Catalog, app_id: str) -> str | None:
    """Return the newest successful backup of an application, an imported one too."""
    query = (
        select(backups.c.id)
        .where(backups.c.app_id == app_id, backups.c.state == State.SUCCESSFUL)
        .order_by(backups.c.created_at.desc(), backups.c.id.desc())
        .limit(1)
    )
    with catalog.read() as connection:
        found: str | None = connection.execute(query).scalar()
        return found


def claim_prove(catalog: Catalog, app_id: str, due_at: int, next_at: int | None, job: Job | None, by: Actor) -> bool:
    """Move an application's next test restore on, and queue the job of this one; both or neither.

    `due_at`: as it was found; `next_at`: None without a backup to restore. Return False if another process was faster.
    """
    with catalog.write() as connection:
        moved = connection.execute(
            apps.update().where(apps.c.id == app_id, apps.c.prove_at == due_at).values(prove_at=next_at)
        )
        if moved.rowcount != 1:
            return False
        if job is not None:
            values = {name: getattr(job, name) for name in Job.__struct_fields__}
            connection.execute(jobs.insert().values(values))
            announce(connection, job.node)
            change = Change(by, "prove.requested", job.account_id, job.app_id, job.backup_id, job.id)
            enter_audit(connection, change, job.created_at)
        return True


def prove_by(catalog: Catalog, app_id: str, at: int) -> None:
    """Have an application's next test restore at a time, or earlier if it is due earlier."""
    with catalog.write() as connection:
        connection.execute(
            apps.update()
            .where(apps.c.id == app_id, or_(apps.c.prove_at.is_(None), apps.c.prove_at > at))
            .values(prove_at=at)
        )


def proofs(catalog: Catalog) -> list[tuple[str, str, int | None, int | None, int | None]]:
    """(application's id, name, newest `verified_at`, newest `restore_proved_at`, when the next test restore is due)."""
    query = (
        select(
            apps.c.id,
            apps.c.name,
            func.max(backups.c.verified_at),
            func.max(backups.c.restore_proved_at),
            apps.c.prove_at,
        )
        .outerjoin(backups, backups.c.app_id == apps.c.id)
        .group_by(apps.c.id, apps.c.name, apps.c.prove_at)
        .order_by(apps.c.name, apps.c.id)
    )
    with catalog.read() as connection:
        return [(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(query).all()]
