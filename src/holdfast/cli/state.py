"""The state that all commands share: the chosen home, and its instance, opened when first needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.service.instance.home import Instance

HOME_VARIABLE = "HOLDFAST_HOME"


def default_home() -> Path:
    """Return the default place of an instance: the user's data folder."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "holdfast"


@dataclass
class State:
    """Set once by the program's own options."""

    home: Path = field(default_factory=default_home)
    json: bool = False
    """The command was asked for JSON, so errors are JSON too."""

    @contextmanager
    def instance(self) -> Iterator[Instance]:
        """The instance of the chosen home. Raises InstanceError, ConfigError, CatalogError."""
        from holdfast.service.instance.home import open_instance

        instance = open_instance(self.home, may_only_read=True)
        try:
            yield instance
        finally:
            instance.close()


state = State()
