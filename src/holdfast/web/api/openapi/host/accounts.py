"""The routes of the host's accounts."""

from __future__ import annotations

from holdfast.schemas.host.accounts import EXTERNAL_ID_CHARACTERS_MAX
from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.operations import IF_NONE_MATCH, LINK, PAGE_SIZE, answered, got, json_of, operation, query

EXTERNAL_ID: Json = {
    "name": "external_id",
    "in": "path",
    "required": True,
    "description": "The host's own id, percent-encoded.",
    "schema": {"type": "string", "minLength": 1, "maxLength": EXTERNAL_ID_CHARACTERS_MAX},
}
_BOOL: Json = {"type": "boolean"}
_TIME: Json = {"type": "string", "format": "date-time"}
_AFTER = query("after", {"type": "string", "pattern": "^[a-z0-9]{1,32}$"}, "The id after which the page begins.")
SINCE = query("updated_after", _TIME, "Only what changed after this time.")


def paths() -> Json:
    """The operations, by path and method."""
    account = ref("HostAccount")
    content = json_of(enveloped(account))
    return {
        "/v3/admin/accounts": {
            "get": operation(
                "listHostAccounts",
                "All accounts, in the order of their ids",
                got({"type": "array", "items": account}, "The accounts.", LINK),
                parameters=(PAGE_SIZE, _AFTER, SINCE, IF_NONE_MATCH),
            )
        },
        "/v3/admin/accounts/{external_id}": {
            "put": operation(
                "putHostAccount",
                "Make an account, or bring it to what the body says",
                {
                    200: {"description": "It was there.", "content": content},
                    201: {"description": "It is new.", "content": content},
                },
                (409,),
                parameters=(EXTERNAL_ID,),
                body="AccountPut",
                description="The same body twice changes nothing. An account that had ended goes on.",
            ),
            "get": operation(
                "getHostAccount",
                "An account, with its usage",
                got(account, "It."),
                (404,),
                parameters=(EXTERNAL_ID, IF_NONE_MATCH),
            ),
            "delete": operation(
                "endHostAccount",
                "End an account",
                {200: {"description": "It as it is now.", "content": content}},
                (404,),
                parameters=(
                    EXTERNAL_ID,
                    query("erase", _BOOL, "True: all of it is erased after 72 hours."),
                    query("now", _BOOL, "With `erase`: in the next minutes."),
                ),
                description="Its keys open nothing any more. A PUT undoes it until it is erased.",
            ),
        },
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
