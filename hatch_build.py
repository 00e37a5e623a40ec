"""Build hook: compiles the C parts when the package is built or installed (also for editable installs)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/holdfast/native")
SOURCES = tuple(FOLDER / name for name in ("walk.c", "ignore.c", "write.c", "sqlite_vfs.c", "crc64.c"))
LIBRARY = FOLDER / "_native.so"


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs gcc and puts the library into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", LIBRARY, *SOURCES]
        try:
            subprocess.run(command, cwd=root, check=True)
        except FileNotFoundError:
            raise SystemExit("Holdfast needs gcc to build: install it (Debian: apt-get install gcc).") from None
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(str(LIBRARY))
