"""The state that all commands share: the chosen home, and its instance, opened when first needed."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.catalog.records import Actor
    from holdfast.service.instance.home import Instance

HOME_VARIABLE = "HOLDFAST_HOME"


def default_home() -> Path:
    """Return the default place of an instance: the user's data folder."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "holdfast"


def operator() -> Actor:
    """Whoever runs the command, as the audit names him: his uid, and the name that it has here."""
    from holdfast.catalog.records import Actor, ActorKind

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a uid that has no name here
        name = ""
    return Actor(ActorKind.OPERATOR, str(uid), name)


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
