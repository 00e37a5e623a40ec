"""An application of another node: nothing takes the folder that lies at the same path here for its folder."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit.archives import zip_member, zip_of
from kit.world import World

from holdfast.catalog.records import SYSTEM, JobState, State
from holdfast.service.access.download import Download
from holdfast.service.errors import Conflict
from holdfast.service.preview.apart import ignored_apart, restore_apart
from holdfast.service.registry.apps import require_here
from holdfast.service.registry.backups import list_backups
from holdfast.service.registry.databases import add_database, spec_of
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted, preview_restore
from holdfast.service.take.ignore_patterns import preview_ignored
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup, take_now


@pytest.fixture
def elsewhere(world: World) -> World:
    """The instance as the node `n2` of the same catalog has it; the application is of `main`."""
    world.take("first")
    world.instance.config = msgspec.structs.replace(world.instance.config, node="n2")
    return world


def test_a_backup_is_not_taken_of_the_folder_that_is_here(elsewhere: World) -> None:
    with pytest.raises(Conflict, match="on the node main, and this is n2") as refused:
        take_now(elsewhere.instance, elsewhere.app.id, SYSTEM)
    assert refused.value.code == "OTHER_NODE"
    assert len(list_backups(elsewhere.instance, elsewhere.app.id)) == 1


def test_one_that_is_asked_for_waits_for_its_node(elsewhere: World) -> None:
    queued, _ = request_backup(elsewhere.instance, elsewhere.app.id, SYSTEM)
    assert (queued.state, queued.node) == (State.QUEUED, "main")


def test_one_that_was_entered_for_this_node_fails_with_the_reason(elsewhere: World) -> None:
    """As an older version entered it, or its application went to another node while it waited."""
    queued, _ = request_backup(elsewhere.instance, elsewhere.app.id, SYSTEM, backup_id="0" * 32)
    done = run_backup(elsewhere.instance, queued.id)
    assert (done.state, done.error_code) == (State.FAILED, "OTHER_NODE")


def test_no_restore_runs_into_the_folder_that_is_here(elsewhere: World) -> None:
    backup = list_backups(elsewhere.instance, elsewhere.app.id)[0]
    (elsewhere.root / "a.txt").write_text("of this machine")
    with pytest.raises(Conflict, match="on the node main, and this is n2"):
        request_restore(elsewhere.instance, backup, elsewhere.app, Wanted(is_inline=True), SYSTEM)
    queued = request_restore(elsewhere.instance, backup, elsewhere.app, Wanted(), SYSTEM)
    assert queued.node == "main"
    done = run_restore(elsewhere.instance, queued.id)
    assert (done.state, done.error_code) == (JobState.FAILED, "OTHER_NODE")
    assert (elsewhere.root / "a.txt").read_text() == "of this machine"


def test_one_into_a_chosen_folder_is_of_the_node_that_runs_it(elsewhere: World, tmp_path: Path) -> None:
    backup = list_backups(elsewhere.instance, elsewhere.app.id)[0]
    wanted = Wanted(to=str(tmp_path / "out"), is_inline=True)
    job = request_restore(elsewhere.instance, backup, elsewhere.app, wanted, SYSTEM)
    assert job.node == "n2"
    assert run_restore(elsewhere.instance, job.id).state is JobState.SUCCESSFUL
    assert (tmp_path / "out" / "a.txt").read_text() == "hello\n"


def test_no_preview_looks_through_it(elsewhere: World) -> None:
    instance, app = elsewhere.instance, elsewhere.app
    backup = list_backups(instance, app.id)[0]
    for preview in (
        lambda: preview_ignored(instance, app),
        lambda: ignored_apart(instance, app),
        lambda: preview_restore(instance, backup, app, Wanted()),
        lambda: restore_apart(instance, backup, app, Wanted()),
    ):
        with pytest.raises(Conflict) as refused:
            preview()
        assert refused.value.code == "OTHER_NODE"
        assert "main" not in refused.value.message  # customers see it


def test_no_database_is_added_by_what_answers_here(elsewhere: World) -> None:
    spec = spec_of("redis", "redis://127.0.0.1:1")
    with pytest.raises(Conflict, match="on the node main, and this is n2"):
        add_database(elsewhere.instance, elsewhere.app, spec, SYSTEM)


def test_an_import_belongs_to_the_node_that_has_the_archive(elsewhere: World) -> None:
    with Upload(elsewhere.instance, elsewhere.app.id, SYSTEM) as upload:
        upload.write(zip_of(zip_member("a", b"x")))
        queued = upload.queue()
    done = run_backup(elsewhere.instance, queued.id)
    assert (done.state, done.node) == (State.SUCCESSFUL, "n2")
    assert Download(elsewhere.instance, done, "zip").length > 0


def test_what_is_here_is_here(world: World) -> None:
    require_here(world.instance, world.app)
