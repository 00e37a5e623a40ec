"""What the instance's figures say, that they follow Prometheus' conventions, and that they stay cheap."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
from kit.world import World
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition, parser
from prometheus_client.parser import text_string_to_metric_families

from holdfast.catalog import statistics
from holdfast.catalog.jobs.heartbeat import store_heartbeat
from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.recovery_sheet import note_key_exported
from holdfast.service.metrics import CATALOG_SHARE, InstanceCollector
from holdfast.service.registry.backups import delete_now
from holdfast.service.take.request import request_backup
from holdfast.units import DAY_NS, SECOND_NS

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]

UNITS = {"seconds", "bytes", "info", "total"}


def registry_of(world: World) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(InstanceCollector(world.instance))
    return registry


def scrape(world: World) -> Callable[..., float | None]:
    """Ask for one value of a fresh scrape by its name and labels."""
    text = generate_latest(registry_of(world)).decode()
    values: Values = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float | None:
        return values.get((f"holdfast_{name}", frozenset(labels.items())))

    return value


def labels_of(world: World) -> dict[str, str]:
    return {"app": "bot", "app_id": world.app.id, "account": world.account.id}


def test_an_application_shows_the_age_of_its_newest_good_backup(world: World) -> None:
    app = labels_of(world)
    before = scrape(world)
    assert before("last_good_backup_age_seconds", **app) is None
    assert before("apps_without_backup") == 1
    good = world.take()
    shutil.rmtree(world.root)
    world.clock.ns += 2 * DAY_NS
    world.take()
    after = scrape(world)
    assert after("last_good_backup_timestamp_seconds", **app) == good.created_at / 1e9
    assert after("last_good_backup_age_seconds", **app) == 2 * 86400
    assert after("oldest_good_backup_age_seconds") == 2 * 86400
    assert after("app_last_backup_failed", **app) == after("apps_last_backup_failed") == 1
    assert after("run_failures_total", kind="backup", code="SOURCE_MISSING") == 1
    assert after("backups", state="successful") == after("backups", state="failed") == 1


def test_bytes_are_told_as_files_have_them_and_as_the_store_does(world: World) -> None:
    good = world.take()
    value = scrape(world)
    assert value("content_bytes") == value("account_content_bytes", account=world.account.id) == good.content_bytes
    in_store = sum(size for name, size in world.instance.vault_store(world.account.id).list("packs/"))
    assert value("pack_bytes", state="live") == in_store > 0
    assert value("backup_stored_bytes_total") == good.stored_bytes
    assert (value("disk_free_bytes", disk="store") or 0) > 0


def test_what_only_grows_does_so_when_backups_are_deleted(world: World) -> None:
    good = world.take()
    before = scrape(world)
    delete_now(world.instance, good, SYSTEM)
    after = scrape(world)
    assert after("backups", state="successful") == 0
    for name in ("backup_files_total", "backup_zip_bytes_total", "backup_stored_bytes_total"):
        assert after(name) == before(name) != 0
    assert after("run_duration_seconds_count", kind="backup") == 1
    assert after("prune_wanted_accounts") == 1


def test_what_waits_is_counted_with_its_age(world: World) -> None:
    request_backup(world.instance, world.app.id, SYSTEM)
    world.clock.ns += 90 * 10**9
    value = scrape(world)
    assert value("queue_length", kind="backup", state="queued") == 1
    assert value("queue_oldest_age_seconds", kind="backup") == 90


def test_it_says_whether_the_master_key_was_exported(world: World) -> None:
    assert scrape(world)("master_key_exported") == 0
    note_key_exported(world.instance)
    assert scrape(world)("master_key_exported") == 1


def test_it_says_how_long_ago_the_jobs_process_worked(world: World) -> None:
    assert scrape(world)("jobs_heartbeat_age_seconds") is None
    store_heartbeat(world.instance.catalog, "main", world.clock.ns)
    world.clock.ns += 480 * SECOND_NS
    assert scrape(world)("jobs_heartbeat_age_seconds") == 480


def test_an_application_is_overdue_also_when_no_process_has_reported_it(world: World) -> None:
    with world.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE apps SET overdue_at = 1")
    assert scrape(world)("apps_overdue") == 1


def test_of_too_many_applications_only_the_sums_are_told(world: World) -> None:
    world.take()
    world.instance.config = msgspec.structs.replace(world.instance.config, metrics_apps_max=0)
    value = scrape(world)
    assert value("last_good_backup_age_seconds", **labels_of(world)) is None
    assert value("account_pack_bytes", account=world.account.id) is None
    assert (value("app_series_shown"), value("apps"), value("apps_without_backup")) == (0, 1, 0)


def test_names_and_helps_follow_the_conventions(world: World) -> None:
    world.take()
    registry = registry_of(world)
    families = list(registry.collect())
    assert len(families) > 30
    for family in families:
        assert re.fullmatch(r"holdfast_[a-z]+(_[a-z]+)*", family.name), family.name
        assert family.documentation.endswith("."), family.name
        for unit in ("_ms", "_minutes", "_hours", "_kb", "_mb", "_percent", "_count"):
            assert not family.name.endswith(unit), f"{family.name} is not in a base unit"
        assert ("total" in family.name.split("_")) is False, f"{family.name}: _total is added to counters"
        for sample in family.samples:
            for label in sample.labels:
                assert re.fullmatch(r"[a-z]+(_[a-z]+)*", label)
            if family.type == "counter":
                assert sample.name.endswith("_total")
    assert len({family.name for family in families}) == len(families)
    text = exposition.generate_latest(registry).decode()
    assert list(parser.text_string_to_metric_families(text))


def test_a_slow_catalog_is_asked_seldom(world: World) -> None:
    now, asked = 0.0, 0

    def monotonic() -> float:
        nonlocal now, asked
        asked += 1
        if asked % 2 == 0:  # the end of a reading
            now += 3.0
        return now

    collector = InstanceCollector(world.instance, monotonic)
    list(collector.collect())
    world.take()
    assert stale(collector) == 0
    now += 3.0 * CATALOG_SHARE
    asked = 0
    assert stale(collector) == 1


def stale(collector: InstanceCollector) -> float:
    """The number of good backups that the slower figures say."""
    (family,) = [one for one in collector.collect() if one.name == "holdfast_backups"]
    return next(sample.value for sample in family.samples if sample.labels["state"] == "successful")


def test_unfinished_backups_are_counted_by_their_index(world: World) -> None:
    """A full scan would make each scrape as slow as the history is long."""
    plans: list[str] = []
    with world.instance.catalog.read() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
    statements: list[str] = []
    raw.set_trace_callback(statements.append)
    statistics.waiting(world.instance.catalog)
    raw.set_trace_callback(None)
    for statement in statements:
        if statement.startswith("SELECT"):
            plans += [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]
    assert any("ix_backups_open" in plan for plan in plans), plans
    assert any("ix_jobs_open" in plan for plan in plans), plans


def test_the_alert_rules_use_only_metrics_that_there_are(world: World) -> None:
    rules = (Path(__file__).parents[2] / "docs" / "alerts.yml").read_text()
    store_heartbeat(world.instance.catalog, "main", 0)
    world.take()
    described = {family.name for family in registry_of(world).collect()}
    described |= {f"{name}_total" for name in described}
    used = set(re.findall(r"holdfast_[a-z_]+", rules))
    sometimes = {"holdfast_oldest_read_back_age_seconds"}  # once a pack was read back
    assert used
    assert used - described - sometimes == set()
