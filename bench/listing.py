"""Listing backups under load: a catalog of a million, a hundred of them in the application that is asked for.

The rows are written by SQL into the catalog of a home of the benchmark's own: taking a million backups would measure
something else. The server is held on one core, wrk with one thread on another.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from bench.book import Book
from bench.holdfast import Home, Server
from bench.measure import MeasuredCommandFailed
from bench.peers import NotAvailable, Peer
from bench.shell import run_quietly

BACKUPS_PER_APP = 100
APPS_PER_ACCOUNT = 10
CONNECTIONS = 8
SECONDS = 8
DATASET = "listing"

FILL = """
CREATE TEMP TABLE numbers AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) SELECT i FROM n;
INSERT INTO accounts (id, email, plan, created_at, data_key_sealed, link_secret_sealed,
    vault_epoch, commit_seq)
    SELECT 'bench' || i, 'bench' || i || '@example.org', plan, created_at, data_key_sealed,
    link_secret_sealed, vault_epoch, commit_seq
    FROM accounts, numbers WHERE accounts.id = '{account}' AND i <= {accounts};
INSERT INTO keys (id, account_id, hash, name, start, sealed, made_by, rights, created_at)
    SELECT printf('%032x', i), 'bench' || i, randomblob(32), name, start, sealed, made_by, rights, created_at
    FROM keys, numbers WHERE keys.account_id = '{account}' AND i <= {accounts};
INSERT INTO apps (id, account_id, name, path, node, created_at)
    SELECT printf('%032x', i), 'bench' || (1 + i % {accounts}), 'app' || i, path, node, apps.created_at
    FROM apps, numbers WHERE apps.id = '{app}' AND i <= {apps};
CREATE TEMP TABLE owners AS SELECT row_number() OVER (ORDER BY id) - 1 AS place, id, account_id FROM apps;
INSERT INTO backups (id, account_id, app_id, name, state, origin, created_at, finished_at, zip_bytes, tar_bytes,
    digest, is_locked, node, commit_seq)
    SELECT printf('%032x', i), account_id, owners.id, 'Backup at ' || datetime(1700000000 + i, 'unixepoch'),
    'successful', 'manual', (1700000000 + i) * 1000000000, (1700000009 + i) * 1000000000, 81865653, 81865653,
    randomblob(32), 0, 'main', i
    FROM numbers JOIN owners ON owners.place = i % {owners};
"""


def measure_listing(backups: int, wrk: Peer, run: Path, book: Book, say: Callable[[str], None]) -> None:
    """Note requests a second and the 99th percentile of the time to answer."""
    folder = run / "listed-app"
    folder.mkdir()
    home = Home(run / "home-listing", folder)
    fill_catalog(home, backups)
    cores = sorted(os.sched_getaffinity(0))
    server = Server(home, before=["taskset", "-c", str(cores[0])])
    try:
        listed = server.request("GET", f"/v3/apps/{home.app_id}/backups")
        if len(listed) != BACKUPS_PER_APP:
            raise MeasuredCommandFailed(f"The list has {len(listed)} backups, not {BACKUPS_PER_APP}.")
        if isinstance(wrk, NotAvailable):
            book.remarks.append(f"Listing was not measured: {wrk.reason}")
            return
        url = f"{home.url}/v3/apps/{home.app_id}/backups"
        command = ["taskset", "-c", str(cores[-1]), wrk.path, "-t1", f"-c{CONNECTIONS}", "--latency"]
        run_quietly([*command, "-d2s", "-H", f"Authorization: {home.api_key}", url])
        said = run_quietly([*command, f"-d{SECONDS}s", "-H", f"Authorization: {home.api_key}", url])
        rate, p99_ms = read_wrk(said)
    finally:
        server.stop()
    book.note("list", DATASET, "holdfast", "rate", rate)
    book.note("list", DATASET, "holdfast", "p99_ms", p99_ms)
    say(f"  list: {rate:,.0f} requests/s, p99 {p99_ms:.1f} ms")
    home.delete()


def fill_catalog(home: Home, backups: int) -> None:
    """Insert other accounts, applications and backups until the catalog has `backups`, 100 in each application."""
    apps = backups // BACKUPS_PER_APP - 1
    accounts = max(1, apps // APPS_PER_ACCOUNT)
    statements = FILL.format(
        most=backups, account=home.account_id, app=home.app_id, accounts=accounts, apps=apps, owners=apps + 1
    )
    catalog = sqlite3.connect(home.path / "catalog.sqlite", isolation_level=None)
    try:
        catalog.execute("PRAGMA synchronous=OFF")
        catalog.executescript(f"BEGIN IMMEDIATE;{statements}COMMIT;PRAGMA wal_checkpoint(TRUNCATE);")
    finally:
        catalog.close()


def read_wrk(said: str) -> tuple[float, float]:
    """Requests a second and the 99th percentile in ms. Raises MeasuredCommandFailed when an answer was an error."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if rate is None or p99 is None or "Non-2xx" in said or "Socket errors" in said:
        raise MeasuredCommandFailed(f"wrk got errors for answers:\n{said}")
    return float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
