"""The route by which the host signs people in."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, ref
from holdfast.web.api.openapi.host.accounts import EXTERNAL_ID
from holdfast.web.api.openapi.operations import answered, operation


def paths() -> Json:
    """The operations, by path and method."""
    return {
        "/v3/admin/accounts/{external_id}/sign-in-links": {
            "post": operation(
                "addSignInLink",
                "Make a link that signs a person in, once, within 60 s",
                answered(ref("SignInLink"), "The link, for the browser of that person.", 201),
                (404, 409, 413),
                parameters=(EXTERNAL_ID,),
                body="NewSignInLink",
                description="Without `person` it is for whoever has the account's address. A `group` or `rights` are "
                "for this session alone; without them a person has what he has as a member, and whoever is not one "
                "needs them. With `app` the session is for that application alone.",
            )
        },
    }
