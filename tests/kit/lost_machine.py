"""A machine that is lost, with a copy of its store and its recovery sheet, and the new one that takes its place."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.recovery_sheet import Sheet, read_sheet, recovery_sheet
from holdfast.service.integrity.new_machine import BroughtBack, Settings, init_from_store
from holdfast.units import HOUR_NS
from kit.world import World


@dataclass
class Lost:
    """A machine that is gone: a copy of its store, its sheet, and what was on it."""

    store: Path
    sheet: Sheet
    world: World
    home: Path
    """Of the new machine; not there yet."""
    before: dict[str, bytes | str | None] = field(default_factory=dict)
    """Everything on the disk, when it was last tried."""

    def bring_back(self, store: Path | None = None, sheet: Sheet | None = None, settings: Settings | None = None,
                   home: Path | None = None) -> BroughtBack:  # fmt: skip
        self.before = all_below(self.home.parent)
        return init_from_store(
            home or self.home,
            store or self.store,
            sheet or self.sheet,
            settings or Settings(),
            SYSTEM,
            clock=self.world.clock,
        )


@pytest.fixture
def lost(world: World, tmp_path: Path) -> Lost:
    """Two backups were made; their instance is deleted, a copy of its store is left."""
    world.take("first")
    (world.root / "new").write_bytes(os.urandom(50_000))
    world.clock.ns += HOUR_NS
    world.take("second")
    sheet = read_sheet(recovery_sheet(world.instance), "the sheet")
    return gone(world, tmp_path, sheet)


def gone(world: World, tmp_path: Path, sheet: Sheet) -> Lost:
    world.instance.close()
    shutil.copytree(world.instance.home / "store", tmp_path / "copy", symlinks=True)
    shutil.rmtree(world.instance.home)
    return Lost(tmp_path / "copy", sheet, world, tmp_path / "new-home")


def all_below(folder: Path) -> dict[str, bytes | str | None]:
    """Every file, folder and link below a folder, with what is in it."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }
