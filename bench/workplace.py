"""The benchmark's own folder in the checkout: ignored by git, safe to delete at any time.

`downloads/` has packages as they came, `data/` the datasets as made (never changed by a run), `peers/` the programs to
compare with, `run/` the data of a run: copies of the datasets, repositories, homes. A run begins with it empty.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Size = Literal["full", "quick"]

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folders of one checkout's benchmark."""

    root: Path

    @classmethod
    def of_checkout(cls) -> Workplace:
        return cls(CHECKOUT / ".bench")

    @property
    def downloads(self) -> Path:
        return self._folder("downloads")

    @property
    def peers(self) -> Path:
        return self._folder("peers")

    @property
    def caches(self) -> Path:
        """Caches of npm and uv, kept out of the user's own."""
        return self._folder("caches")

    def data(self, size: Size) -> Path:
        return self._folder("data") if size == "full" else self._folder("data/quick")

    def fresh_run(self) -> Path:
        """Return the run's folder, emptied of what an earlier run left."""
        folder = self.root / "run"
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return folder

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        os.makedirs(folder, exist_ok=True)
        return folder
