"""Build hook: compiles the C parts and the languages, and makes the dashboard's font and icons.

It runs when the package is built or installed, also for an editable install.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/holdfast/native")
LIBRARY = FOLDER / "_native.so"


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs gcc, makes the assets, and puts what came out into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        _compile(root)
        sys.path.insert(0, self.root)
        from hatch_assets import FOLDER as ASSETS
        from hatch_assets import make_assets
        from hatch_languages import FOLDER as LANGUAGES
        from hatch_languages import make_languages

        make_assets(root)
        make_languages(root)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"] += [str(LIBRARY), str(ASSETS), str(LANGUAGES)]


def _compile(root: Path) -> None:
    sources = sorted(path.relative_to(root) for path in (root / FOLDER).glob("*.c"))
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", LIBRARY, *sources]
    try:
        subprocess.run(command, cwd=root, check=True)
    except FileNotFoundError:
        raise SystemExit("Holdfast needs gcc to build: install it (Debian: apt-get install gcc).") from None
