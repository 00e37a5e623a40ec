"""Folders that the host may register as applications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from holdfast.service.instance.home import Instance


def configure(instance: Instance, **settings: Any) -> None:
    """Change the configuration of an open instance."""
    instance.config = msgspec.structs.replace(instance.config, **settings)


def app_folder(instance: Instance, name: str = "bot") -> Path:
    """Make a folder with a file, below the root beside the home, which is opened to the admin API."""
    root = instance.home.parent / "apps"
    configure(instance, app_roots=(str(root),))
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "data.txt").write_text("data\n" * 1000)
    return folder
