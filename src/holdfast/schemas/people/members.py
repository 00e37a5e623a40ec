"""Members of an account and invitations, as they are made, changed and shown."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.schemas.fields import Body, Id, Shown, Time
from holdfast.schemas.rights import AppIds, Group, MadeBy, RightNames

Email = Annotated[str, msgspec.Meta(extra_json_schema={"format": "email", "minLength": 3, "maxLength": 320})]


class NewMember(Body):
    """Body of POST /v3/members."""

    EXAMPLE: ClassVar = {"email": "bo@example.com", "group": "manager"}

    email: Email = ""
    group: Group | UnsetType = UNSET
    rights: RightNames | UnsetType = UNSET
    app_ids: AppIds | UnsetType = UNSET


class MemberChange(Body):
    """Body of PATCH /v3/members/{id}; what is not there stays."""

    EXAMPLE: ClassVar = {"rights": ["backups.read", "backups.download"]}

    group: Group | UnsetType = UNSET
    rights: RightNames | UnsetType = UNSET
    app_ids: AppIds | UnsetType = UNSET


class Member(Shown, frozen=True):
    """A person with rights on the account, or who is invited; the id stays when the invitation is accepted."""

    id: Id
    state: Literal["active", "invited"]
    email: str
    group: Annotated[str | None, msgspec.Meta(description="The group that was given; null for a list of rights.")]
    rights: list[str]
    app_ids: AppIds
    created_at: Time
    expires_at: Annotated[Time | None, msgspec.Meta(description="Of an invitation: its end.")]
    invited_by: Annotated[MadeBy | None, msgspec.Meta(description="Of an invitation: who made it.")]


class InvitedMember(Member, frozen=True):
    """A new invitation. `url`: to hand on; null when it was sent by mail."""

    url: str | None


class EndedMember(Shown, frozen=True):
    """A member who has ended, or an invitation that was taken back."""

    id: Id
