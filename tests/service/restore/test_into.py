"""A restore into a new folder: nothing else is touched, and backups leave that folder out while it is there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from kit.trees import fill, staging_left, tree_of
from kit.world import World

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.records import SYSTEM, App, Backup, Job, JobState
from holdfast.restorer import STAGING_PREFIX
from holdfast.restorer.staging import Staging
from holdfast.service.access.browse import list_folder
from holdfast.service.errors import Conflict, Invalid, NotFound, ServiceError
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.registry.backups import list_backups
from holdfast.service.registry.restored_folders import left_out
from holdfast.service.restore.files import Restored, request_restore, run_restore
from holdfast.service.restore.plan import Wanted, preview_restore
from holdfast.service.take.ignore_patterns import preview_ignored
from holdfast.sources.databases.spec import FOLDER
from holdfast.sources.directory.ignore import IGNORE_FILE


def restore(world: World, backup: Backup, wanted: Wanted) -> Job:
    return run_restore(world.instance, request_restore(world.instance, backup, world.app, wanted, SYSTEM).id)


def result_of(job: Job) -> Restored:
    assert job.state is JobState.SUCCESSFUL, (job.error_code, job.error_message)
    return msgspec.json.decode(job.result or "", type=Restored)


def app_now(world: World) -> App:
    app = app_by_id(world.instance.catalog, world.app.id)
    assert app is not None
    return app


def taken(world: World) -> set[str]:
    """The paths right below the application's folder in a new backup."""
    world.clock.ns += 10**9
    backup = world.take()
    assert backup.state == "successful", backup.error_message
    return {entry.name for entry in list_folder(world.instance, backup, "")[0]}


@pytest.mark.parametrize("mode", ["mirror", "overlay"])
def test_all_goes_there_and_nothing_else_is_touched(world: World, mode: str) -> None:
    fill(world.root)
    before = tree_of(world.root)
    backup = world.take()
    (world.root / "a.txt").write_text("newer\n")
    (world.root / "made since").write_text("mine\n")
    now = tree_of(world.root)
    wanted = msgspec.convert({"mode": mode, "into": "as it was"}, Wanted)
    preview = preview_restore(world.instance, backup, world.app, wanted).changes
    assert (preview.added, preview.changed, preview.removed) == (len(before), 0, 0)
    assert {path.path.split("/")[0] for path in preview.paths_added} == {"as it was"}
    done = result_of(restore(world, backup, wanted))
    assert (done.added, done.changed, done.removed, done.safety_backup_id) == (len(before), 0, 0, None)
    assert done.warnings == ()
    into = world.root / "as it was"
    assert tree_of(into) == before
    above, made = world.root.stat(), into.stat()
    assert (made.st_uid, made.st_gid, made.st_mode) == (above.st_uid, above.st_gid, above.st_mode)
    assert {p: s for p, s in tree_of(world.root).items() if not p.startswith(b"as it was")} == now
    assert [b.origin for b in list_backups(world.instance, world.app.id)] == ["manual"], "no safety backup"
    assert staging_left(world) == []


def test_with_paths_only_those_go_there(world: World) -> None:
    backup = world.take()
    restore(world, backup, Wanted(paths=("sub/b.bin",), into="sub/old"))
    assert [str(p.relative_to(world.root)) for p in sorted((world.root / "sub" / "old").rglob("*"))] == [
        "sub/old/sub",
        "sub/old/sub/b.bin",
    ]


def test_backups_leave_it_out_until_it_is_the_applications_own(world: World) -> None:
    first = world.take()
    own = {"a.txt", "sub", "link"}
    name = "old [1]*"
    restore(world, first, Wanted(into=name))
    assert taken(world) == own
    assert preview_ignored(world.instance, app_now(world)).files == 2
    restore(world, first, Wanted())  # a mirror leaves it alone too, as its safety backup lacks it
    assert (world.root / name / "a.txt").exists()
    rebuild(world.instance, SYSTEM)
    assert taken(world) == own, "as the account's record has it"
    (world.root / ".backupignore").write_text("!/old*/\n")
    assert taken(world) == {*own, ".backupignore", name}, "the owner's pattern takes it back in"
    (world.root / ".backupignore").unlink()
    (world.root / name).rename(world.root / "adopted")
    assert taken(world) == {*own, "adopted"}, "renamed, it is the application's own"
    (world.root / name).mkdir()
    (world.root / name / "new").write_text("of the owner")
    assert taken(world) == {*own, "adopted", name}, "another folder of that name is the owner's"
    restore(world, first, Wanted(into="second"))
    assert [one.path for one in app_now(world).settings.restored] == ["second"], "what is gone is not kept"
    shutil.rmtree(world.root / "second")
    assert left_out(app_now(world)) == ()


@pytest.mark.parametrize(
    "into",
    [
        "",
        "/etc/x",
        "..",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        ".",
        "./a",
        "x" * 64,
        "new\nline",
        "bad\udc80",
        FOLDER,
        f"{IGNORE_FILE.decode()}/x",
        f"{STAGING_PREFIX}x",
        f"sub/{STAGING_PREFIX}x",
    ],
)
def test_a_bad_name_is_refused(world: World, into: str) -> None:
    backup = world.take()
    before = tree_of(world.root)
    with pytest.raises(Invalid) as refused:
        request_restore(world.instance, backup, world.app, Wanted(into=into), SYSTEM)
    assert refused.value.code == "INVALID_INTO"
    assert tree_of(world.root) == before


def test_what_is_in_the_way_is_said(world: World, tmp_path: Path) -> None:
    backup = world.take()
    (tmp_path / "outside").mkdir()
    (world.root / "out").symlink_to(tmp_path / "outside")
    (world.root / "gone").symlink_to("nowhere")
    found: dict[str, ServiceError] = {}
    for into in ("sub", "a.txt", "gone", "out/x", "a.txt/x", "missing/x"):
        with pytest.raises((Conflict, NotFound)) as refused:
            request_restore(world.instance, backup, world.app, Wanted(into=into), SYSTEM)
        found[into] = refused.value
    assert {into: error.code for into, error in found.items()} == {
        **dict.fromkeys(("sub", "a.txt", "gone", "out/x", "a.txt/x"), "TARGET_IN_THE_WAY"),
        "missing/x": "PATH_NOT_FOUND",
    }
    assert not any(str(tmp_path) in error.message for error in found.values())
    assert os.listdir(tmp_path / "outside") == []


def test_a_folder_that_is_made_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = world.take()
    write = Staging.write

    def late(self: Staging, *rest: object) -> None:
        write(self, *rest)  # type: ignore[arg-type]
        (world.root / "old").mkdir()
        (world.root / "old" / "mine").write_text("mine")

    monkeypatch.setattr(Staging, "write", late)
    job = restore(world, backup, Wanted(into="old"))
    assert (job.state, job.error_code) == (JobState.FAILED, "TARGET_IN_THE_WAY")
    assert os.listdir(world.root / "old") == ["mine"]
    assert staging_left(world) == []
    assert taken(world) == {"a.txt", "sub", "link", "old"}


def test_a_file_system_without_attributes_backs_it_up_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = world.take()

    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", none)
    done = result_of(restore(world, backup, Wanted(into="old")))
    assert [w.code for w in done.warnings] == ["NOT_LEFT_OUT"]
    assert taken(world) == {"a.txt", "sub", "link", "old"}
