"""`python -m bench upgrade`: how long a newer program takes to bring a large, older catalog up to date, and how much
memory; on SQLite, and on PostgreSQL where this machine has its programs.

The catalog has a million backups in 10,000 applications, daily for 100 days, 3 % of them failed, with the events of the
last 30 days, as version 0009 of the schema had them. The time is that of opening it in a process of its own: its copy,
all migrations, and the commit.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, create_engine

from bench.shell import run_quietly
from holdfast.catalog.database.engine import parsed_url, sqlite_url
from holdfast.catalog.database.migrations import upgrade

VERSION = "0009"
BACKUPS = 1_000_000
SQLITE_SECONDS_MAX = 60.0
POSTGRESQL_SECONDS_MAX = 120.0

_DAYS, _DAYS_OF_EVENTS, _APPS_PER_ACCOUNT = 100, 30, 10
_NS = 1_000_000_000
_AT = f"({{now}} - 86400 * ({_DAYS} - n.i % {_DAYS}) + n.i / {_DAYS} % 80000) * {_NS}"
_IS_BAD = "n.i % 33 = 0"
_WHY = "The folder /srv/bots/12 could not be read (Permission denied); fix its permissions."
_FILL = (
    "INSERT INTO accounts (id, email, plan, created_at, data_key_sealed, link_secret_sealed, api_key_hash,"
    " api_key_sealed, vault_epoch, commit_seq)"
    " SELECT {id}, 'a' || i || '@example.org', 'standard', 1, {blob}, {blob}, {blob}, {blob}, 0, 0"
    f" FROM numbers n WHERE i < {{apps}} / {_APPS_PER_ACCOUNT}",
    "INSERT INTO apps (id, account_id, name, path, node, created_at)"
    " SELECT {id}, {account}, 'app' || i, '/srv/bots/' || i, 'main', 1 FROM numbers n WHERE i < {apps}",
    "INSERT INTO backups (id, account_id, app_id, name, state, origin, created_at, finished_at, zip_bytes, tar_bytes,"
    " digest, files, content_bytes, stored_bytes, is_locked, node, commit_seq, error_code, error_message, log,"
    " restore_proved_at)"
    " SELECT {id}, {account_of_backup}, {app_of_backup}, 'Backup ' || i,"
    f" CASE WHEN {_IS_BAD} THEN 'failed' ELSE 'successful' END, 'schedule', {_AT}, {_AT} + 9000000000, 81865653,"
    f" 81865653, CASE WHEN {_IS_BAD} THEN NULL ELSE {{blob}} END, 800, 80000000, 500000 + i, {{no}}, 'main', i,"
    f" CASE WHEN {_IS_BAD} THEN 'SOURCE_UNREADABLE' END, CASE WHEN {_IS_BAD} THEN '{_WHY}' END,"
    f" CASE WHEN {_IS_BAD} THEN '[[1,\"Failed (SOURCE_UNREADABLE): {_WHY}\",false]]'"
    """ ELSE '[[1,"Begun on main.",false],[2,"800 files, 80 MB, read 3 MB of 12 files that changed.",false]]' END,"""
    f" CASE WHEN i % 500 = 7 THEN {_AT} + 90000000000 END FROM numbers n WHERE i < {{backups}}",
    "INSERT INTO events (account_id, app_id, backup_id, kind, at, data)"
    f" SELECT {{account_of_backup}}, {{app_of_backup}}, {{id}}, k.kind, {_AT} + k.later * {_NS}, k.data"
    " FROM numbers n JOIN ("
    " SELECT 'backup.started' AS kind, CAST(0 AS BIGINT) AS later,"
    ' \'{{"name":"x","origin":"schedule"}}\' AS data, 2 AS which'
    " UNION ALL SELECT 'backup.finished', 9,"
    ' \'{{"name":"x","origin":"schedule","size":81865653,"stored_size":500000,"files":800,"warnings":0}}\', 0'
    ' UNION ALL SELECT \'backup.failed\', 9, \'{{"name":"x","origin":"schedule","code":"SOURCE_UNREADABLE","message":"'
    f"{_WHY}\"}}}}', 1) k ON k.which = 2 OR k.which = CASE WHEN {_IS_BAD} THEN 1 ELSE 0 END"
    f" WHERE n.i < {{backups}} AND n.i % {_DAYS} >= {_DAYS - _DAYS_OF_EVENTS}",
)

_OPEN = """
import json, resource, sys, time
from holdfast.catalog.database.engine import open_catalog
began = time.monotonic()
open_catalog(sys.argv[1]).close()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": time.monotonic() - began, "peak": peak * 1024}))
"""


def measure_upgrade(run: Path, say: Callable[[str], None]) -> bool:
    """Measure it on both kinds of database; True if neither takes longer than it may."""
    url = sqlite_url(run / "catalog.sqlite")
    make_old_catalog(url, BACKUPS)
    is_quick = _measured("SQLite", url, SQLITE_SECONDS_MAX, say)
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        say("  PostgreSQL was not measured: this machine lacks its programs")
        return is_quick
    folder = Path(tempfile.mkdtemp(prefix="hfpg"))  # short, as a socket's path has to be
    shutil.chown(folder, "postgres", "postgres")
    control = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    control += [str(programs[-1].parent / "pg_ctl"), "-D", str(folder / "data")]
    run_quietly([*control, "initdb", "-o", "-A trust -U holdfast -N -E UTF8 --locale=C"])
    options = f"-k {folder} -c listen_addresses='' -c max_wal_size=4GB"
    run_quietly([*control, "-w", "-o", options, "-l", str(folder / "log"), "start"])
    try:
        url = f"postgresql://holdfast@/postgres?host={folder}"
        make_old_catalog(url, BACKUPS)
        return _measured("PostgreSQL", url, POSTGRESQL_SECONDS_MAX, say) and is_quick
    finally:
        run_quietly([*control, "-w", "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)


def _measured(name: str, url: str, seconds_max: float, say: Callable[[str], None]) -> bool:
    done = json.loads(subprocess.run([sys.executable, "-c", _OPEN, url], check=True, stdout=subprocess.PIPE).stdout)
    seconds, peak = done["seconds"], done["peak"] / 1e6
    say(f"  {name}: {BACKUPS:,} backups in {seconds:.1f} s (at most {seconds_max:.0f}), peak {peak:.0f} MB")
    return bool(seconds <= seconds_max)


def make_old_catalog(url: str, backups: int) -> None:
    """Make a catalog as VERSION had it."""
    engine = create_engine(parsed_url(url))
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        if is_sqlite:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
        upgrade(connection, VERSION)
        _fill(connection, backups, is_sqlite=is_sqlite)
    with engine.connect() as connection:
        if is_sqlite:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        else:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _fill(connection: Connection, backups: int, *, is_sqlite: bool) -> None:
    apps = backups // _DAYS
    hex_id = "printf('%032x', {})" if is_sqlite else "lpad(to_hex({}), 32, '0')"
    given = {
        "apps": apps,
        "backups": backups,
        "now": int(time.time()),
        "id": hex_id.format("n.i"),
        "account": hex_id.format(f"n.i / {_APPS_PER_ACCOUNT}"),
        "app_of_backup": hex_id.format(f"n.i / {_DAYS}"),
        "account_of_backup": hex_id.format(f"n.i / {_DAYS * _APPS_PER_ACCOUNT}"),
        "blob": "randomblob(32)" if is_sqlite else "sha256(convert_to(random()::text, 'UTF8'))",
        "no": "0" if is_sqlite else "false",
    }
    count = f"WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < {backups - 1}) SELECT i FROM c"
    series = count if is_sqlite else f"SELECT i::bigint FROM generate_series(0, {backups - 1}) s(i)"
    connection.exec_driver_sql(f"CREATE TEMP TABLE numbers AS {series}")
    for statement in _FILL:
        connection.exec_driver_sql(statement.format(**given).replace("%", "%" if is_sqlite else "%%"))
