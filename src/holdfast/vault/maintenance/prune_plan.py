"""The plan of a prune, the limits and the progress of one, and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.control import ControlOf
from holdfast.vault.pack.index import Index


@dataclass(frozen=True, slots=True)
class CopyBudget:
    """The limit on what one prune copies. The pack that reaches it is still copied whole, so every prune progresses."""

    bytes_max: int
    is_over: Callable[[], bool] = lambda: False
    """Called before each further pack; True when the time is up."""


@dataclass(frozen=True, slots=True)
class PruneProgress:
    """The progress of a prune: backups marked, then packs copied."""

    step: str
    done: int
    total: int


PruneControl: TypeAlias = ControlOf[PruneProgress]


@dataclass(frozen=True, slots=True)
class WornPack:
    """A pack that should be copied. `size`: of its object; `kept`: bytes of the records in it that are needed."""

    pack_id: bytes
    kind: int
    size: int
    kept: int


@dataclass(slots=True)
class PrunePlan:
    """The plan of a prune. Pack ids; sizes in bytes."""

    marks: tuple[int, int]
    index: Index
    used: NDArray[np.bool_]
    dead: list[bytes] = field(default_factory=list)
    left_behind: list[tuple[bytes, int]] = field(default_factory=list)
    """(pack id, size); in the store but never in the ledger."""
    repack: list[WornPack] = field(default_factory=list)
    dead_bytes: int = 0
    repack_bytes: int = 0
    kept_bytes: int = 0
    """The part of `repack_bytes` that will be copied."""
    waiting_packs: int = 0
    """Packs that should be copied too but exceed the budget; they wait for the next prune."""

    @property
    def freed_bytes(self) -> int:
        """Bytes by which the store shrinks when the grace is over."""
        return self.dead_bytes + self.repack_bytes - self.kept_bytes


@dataclass(frozen=True, slots=True)
class PruneResult:
    """The result of a prune. Sizes in bytes."""

    dead_packs: int
    repacked_packs: int
    left_behind_packs: int
    freed_bytes: int
    """Bytes by which the store shrinks when the grace is over."""
    deleted_bytes: int
    """Bytes deleted now: condemned by this prune or an earlier one, and past the grace."""
    waiting_bytes: int
    """Bytes condemned, and still there for readers."""
    copied_bytes: int = 0
    """Bytes written to new packs."""
    waiting_packs: int = 0
    """Packs that should be copied but wait for the next prune, as the budget was used up."""
    full: str = ""
    """The store's error, if it became full while copying: the packs that wait could not be copied."""
    damaged: tuple[str, ...] = ()
    """Packs that should have been copied but are damaged; they stay. `check` names the damaged files."""
