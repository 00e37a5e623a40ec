"""The nodes of the instance: those that were heard of, and those that applications are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from holdfast.catalog.jobs.heartbeat import heartbeats
from holdfast.catalog.operator.apps import GoingRow, going
from holdfast.service.instance.home import Instance
from holdfast.service.operator.apps import AppState, app_states


@dataclass(frozen=True, slots=True)
class NodesNow:
    """The nodes as they are now. `beats`: when each was last heard of, nanoseconds; `version`: of this process."""

    beats: Mapping[str, int]
    apps: Mapping[str, Sequence[AppState]]
    going: Sequence[GoingRow]
    version: str

    @property
    def names(self) -> list[str]:
        """All nodes, by name."""
        return sorted({*self.beats, *self.apps})

    def of_node(self, node: str) -> Sequence[AppState]:
        """The applications of a node."""
        return self.apps.get(node, ())

    def going_on(self, node: str) -> list[GoingRow]:
        """The work that runs or waits on a node."""
        return [one for one in self.going if one.node == node]


def nodes_now(instance: Instance) -> NodesNow:
    """Return the nodes as they are now, with four queries."""
    work = going(instance.catalog)
    apps: dict[str, list[AppState]] = {}
    for app in app_states(instance, work):
        apps.setdefault(app.row.node, []).append(app)
    return NodesNow(heartbeats(instance.catalog), apps, work, version("holdfast"))
