"""Build hook: compiles the C parts when the package is built or installed (also for editable installs)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/holdfast/native")
LIBRARY = FOLDER / "_native.so"


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs gcc and puts the library into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        sources = sorted(path.relative_to(root) for path in (root / FOLDER).glob("*.c"))
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", LIBRARY, *sources]
        try:
            subprocess.run(command, cwd=root, check=True)
        except FileNotFoundError:
            raise SystemExit("Holdfast needs gcc to build: install it (Debian: apt-get install gcc).") from None
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(str(LIBRARY))
