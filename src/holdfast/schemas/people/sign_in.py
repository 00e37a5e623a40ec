"""Sign-in links."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.schemas.fields import Body, Shown, Time
from holdfast.schemas.host.accounts import ExternalId
from holdfast.schemas.people.members import Email
from holdfast.schemas.rights import Group, RightNames


class SignInLink(Shown, frozen=True):
    """A link that signs a person in once."""

    url: str
    expires_at: Time


class SignInPerson(Body):
    """The person whom a sign-in link is for."""

    email: Email = ""
    name: Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": 100})] | UnsetType = UNSET


class NewSignInLink(Body):
    """Body of POST /v3/admin/accounts/{external_id}/sign-in-links."""

    EXAMPLE: ClassVar = {"group": "manager", "person": {"email": "bo@example.com", "name": "Bo"}}

    app: Annotated[ExternalId, msgspec.Meta(description="The host's own id of an application: for that one alone.")] | (
        UnsetType
    ) = UNSET
    group: Group | UnsetType = UNSET
    rights: RightNames | UnsetType = UNSET
    person: SignInPerson | UnsetType = UNSET
    return_to: (
        Annotated[
            str,
            msgspec.Meta(
                description="The path of this site that the link leads to.", extra_json_schema={"pattern": "^/"}
            ),
        ]
        | UnsetType
    ) = UNSET
