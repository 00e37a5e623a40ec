"""Many applications at once, put into the catalog as rows: good, failed, overdue, damaged, proved ones."""

from __future__ import annotations

from typing import Any

from holdfast.catalog.database.access_tables import days
from holdfast.catalog.database.tables import accounts, apps, backups
from holdfast.catalog.events.days import day_of
from holdfast.catalog.records import App, new_id
from holdfast.service.instance.home import Instance
from holdfast.units import DAY_NS, HOUR_NS

KINDS = ("good", "failed", "missed", "damaged", "not begun", "proved")
"""What each application in turn is."""


def add_many(instance: Instance, account_id: str, count: int, name: str = "app", backups_each: int = 1) -> None:
    """Add accounts and applications, as many of each, and their backups; the first application is the given account's.

    `name`: how their names begin; each has a row of its days for today.
    """
    now = instance.clock.now_ns()
    rows: dict[str, list[dict[str, Any]]] = {"accounts": [], "apps": [], "backups": [], "days": []}
    for number in range(count):
        kind, owner = KINDS[number % len(KINDS)], f"{name}many{number}" if number else account_id
        if number:
            rows["accounts"].append(_account(owner, f"{name}{number}@example.net", now))
        app_id = new_id(now)
        is_late = kind == "missed"
        rows["apps"].append(
            {
                "id": app_id,
                "account_id": owner,
                "name": f"{name} {number}",
                "path": f"/srv/{number}",
                "node": f"node-{number % 4}",
                "created_at": now - 40 * DAY_NS,
                "next_run_at": now + (number % 24) * HOUR_NS + 1,
                "overdue_since": now - HOUR_NS if is_late else None,
            }
        )
        if kind != "not begun":
            rows["backups"] += [_backup(owner, app_id, kind, now - n * HOUR_NS, n) for n in range(backups_each)]
            counts = {"good": int(kind != "failed"), "failed": int(kind == "failed"), "missed": int(is_late)}
            rows["days"].append({"app_id": app_id, "day": day_of(now, instance.zone), **counts, "added_bytes": 10})
    tables = {"accounts": accounts, "apps": apps, "backups": backups, "days": days}
    with instance.catalog.write() as connection:
        for table, values in rows.items():
            if values:
                connection.execute(tables[table].insert(), values)


def add_backups(instance: Instance, app: App, count: int) -> None:
    """Add good backups to an application, an hour apart, that nobody took."""
    now = instance.clock.now_ns()
    rows = [_backup(app.account_id, app.id, "good", now - (n + 1) * HOUR_NS, n) for n in range(count)]
    with instance.catalog.write() as connection:
        connection.execute(backups.insert(), rows)


def _account(account_id: str, email: str, now: int) -> dict[str, Any]:
    return {
        "id": account_id,
        "email": email,
        "plan": "Silver",
        "created_at": now,
        "data_key_sealed": b"key",
        "link_secret_sealed": b"link",
        "vault_epoch": 0,
        "commit_seq": 0,
    }


def _backup(account_id: str, app_id: str, kind: str, at: int, number: int) -> dict[str, Any]:
    is_failed = kind == "failed" and number == 0
    return {
        "id": new_id(at),
        "account_id": account_id,
        "app_id": app_id,
        "name": f"Backup {number}",
        "state": "failed" if is_failed else "successful",
        "origin": "scheduled",
        "created_at": at,
        "finished_at": at + 90_000_000_000,
        "is_locked": False,
        "node": "main",
        "error_code": "STORE_FULL" if is_failed else None,
        "error_message": "The store is full." if is_failed else None,
        "damage": '[{"path":"a","code":"DAMAGED","message":"gone"}]' if kind == "damaged" and number == 0 else None,
        "restore_proved_at": at if kind == "proved" else None,
    }
