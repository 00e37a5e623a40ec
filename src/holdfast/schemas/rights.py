"""Rights as requests give them and answers show them, for keys and members alike."""

from __future__ import annotations

from typing import Annotated

import msgspec

from holdfast.catalog.records import Actor
from holdfast.schemas.fields import ID_PATTERN, Shown

GROUP_NAMES = ("view", "manager", "maintain", "admin", "owner")

Group = Annotated[
    str,
    msgspec.Meta(
        description="A named set of rights; give this or `rights`.", extra_json_schema={"enum": list(GROUP_NAMES)}
    ),
]
RightName = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": r"^[a-z]+\.[a-z]+$"})]
RightNames = Annotated[
    list[RightName],
    msgspec.Meta(
        description="Names of rights, as `backups.download`; give these or a `group`.",
        extra_json_schema={"minItems": 1},
    ),
]
AppIds = Annotated[
    list[str] | None,
    msgspec.Meta(
        description="On these applications of the account only; null: on all, and on the account itself.",
        extra_json_schema={"items": {"type": "string", "pattern": ID_PATTERN}},
    ),
]


class MadeBy(Shown, frozen=True):
    """Who made a thing. `kind`: `person`, `key`, `host`, `operator` or `system`."""

    kind: str
    id: str
    name: str


def made_by_of(actor: Actor) -> MadeBy:
    """An actor as whoever made a thing."""
    return MadeBy(str(actor.kind), actor.id, actor.name)
