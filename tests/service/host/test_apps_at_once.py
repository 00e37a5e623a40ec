"""PUTs of the host's applications that come at the same time, on each kind of catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier

import pytest
from kit.host_apps import app_folder
from sqlalchemy import func, select

from holdfast.catalog.database.access_tables import audit
from holdfast.catalog.records import SYSTEM
from holdfast.schemas.host.accounts import AccountPut
from holdfast.schemas.host.apps import AppPut
from holdfast.service.errors import ServiceError
from holdfast.service.host import apps
from holdfast.service.host.accounts import put_account
from holdfast.service.host.apps import end_app, put_app
from holdfast.service.host.folders import Folders
from holdfast.service.instance.home import Instance, create_instance
from holdfast.service.take.request import request_backup

AT_ONCE = 4


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """An instance with an account of the host."""
    if request.param == "postgresql":
        monkeypatch.setenv("HOLDFAST_CATALOG_URL", request.getfixturevalue("postgresql")())
    made = create_instance(tmp_path / "home", time_zone="Europe/Berlin")
    put_account(made, "ana", AccountPut(email="ana@example.org", plan="Silver"), SYSTEM)
    yield made
    made.close()


def at_once(*calls: Callable[[], object]) -> list[str]:
    """Make the calls together; return what each came to: what it returned, or a refusal's code."""
    ready = Barrier(len(calls))

    def one(call: Callable[[], object]) -> str:
        ready.wait()
        try:
            return str(call())
        except ServiceError as refusal:
            return refusal.code

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(one, calls))


def changes(instance: Instance, action: str) -> int:
    with instance.catalog.read() as connection:
        query = select(func.count()).select_from(audit).where(audit.c.action == action)
        return int(connection.execute(query).scalar_one())


def test_of_the_same_put_at_once_one_makes_the_application(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if each were another server's: nothing but the catalog keeps them apart.
    monkeypatch.setattr(apps, "folders_held", lambda instance: nullcontext(Folders(instance)))
    wanted = AppPut(account="ana", path=str(app_folder(instance)), name="Bot", schedule="@daily")
    calls = [lambda: put_app(instance, "bot", wanted, SYSTEM)[1]] * AT_ONCE
    assert at_once(*calls) == ["False"] * (AT_ONCE - 1) + ["True"]
    assert changes(instance, "app.created") == 1
    assert changes(instance, "app.changed") == 0


def test_of_folders_in_one_another_one_is_registered(instance: Instance) -> None:
    outer = app_folder(instance)
    (outer / "in").mkdir()
    wanted = [AppPut(account="ana", path=str(path), name=path.name) for path in (outer, outer / "in")]
    calls = [lambda one=one: put_app(instance, str(one.name), one, SYSTEM)[1] for one in wanted]
    assert at_once(*calls) == ["INVALID_PATH", "True"]


def test_an_end_and_a_backup_at_once_agree(instance: Instance) -> None:
    wanted = AppPut(account="ana", path=str(app_folder(instance)), name="Bot")
    app_id = put_app(instance, "bot", wanted, SYSTEM)[0].id
    came = at_once(
        lambda: request_backup(instance, app_id, SYSTEM)[1], lambda: end_app(instance, "bot", SYSTEM).ended_at is None
    )
    assert came in (["APP_ENDED", "False"], ["False", "True"])
    assert changes(instance, "backup.created") == came.count("True")
