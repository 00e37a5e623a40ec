"""Databases that the host named: those of the configuration, and nobody else's."""

from __future__ import annotations

from kit.host_apps import configure
from kit.world import World
from msgspec.structs import replace

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.records import SYSTEM, State
from holdfast.service.instance.config import ConfiguredDatabase
from holdfast.service.registry.apps import get_app
from holdfast.service.registry.databases import databases_of, is_configured, missing_databases, nameable_databases

SHOP = ConfiguredDatabase(name="shop", kind="redis", dsn="redis://127.0.0.1:1/0")


def test_a_named_database_is_the_configurations_and_a_backup_without_it_fails(world: World) -> None:
    theirs = ConfiguredDatabase(app="f" * 32, name="theirs", kind="redis", dsn=SHOP.dsn)
    own = ConfiguredDatabase(app=world.app.id, name="own", kind="redis", dsn=SHOP.dsn)
    unnamed = replace(SHOP, name="unnamed")
    configure(world.instance, databases=(SHOP, theirs, own, unnamed))
    assert nameable_databases(world.instance, world.app.id) == {"shop", "own", "unnamed"}
    change_settings(
        world.instance.catalog,
        world.app.id,
        lambda now: replace(now, named_databases=("own", "shop", "theirs")),
        0,
        SYSTEM,
        "app.changed",
    )
    app = get_app(world.instance, world.account.id, world.app.id)
    assert [spec.name for spec in databases_of(world.instance, app)] == ["own", "shop"]
    assert is_configured(world.instance, app, "shop")
    assert not is_configured(world.instance, app, "unnamed")
    assert missing_databases(world.instance, app) == ["theirs"]
    failed = world.take()
    assert (failed.state, failed.error_code) == (State.FAILED, "DATABASE_FAILED")
    assert "No database named theirs is in holdfast.toml any more" in str(failed.reason)
    assert "holdfast.toml" not in str(failed.error_message)
