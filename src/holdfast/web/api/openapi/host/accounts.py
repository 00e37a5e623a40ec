"""The routes of the host's accounts."""

from __future__ import annotations

from holdfast.schemas.host.accounts import EXTERNAL_ID_CHARACTERS_MAX
from holdfast.service.policy.standing import Kind
from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.operations import IF_NONE_MATCH, LINK, PAGE_SIZE, got, json_of, operation, query

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
STANDING = query("standing", {"type": "string", "enum": list(Kind)}, "Only what stands so, as `standing` has it.")
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
                parameters=(PAGE_SIZE, _AFTER, SINCE, STANDING, IF_NONE_MATCH),
                description="A page of one `standing` may be short, or empty, and have a next one: the `Link` header "
                "says so.",
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
                "An account, with its usage and its standing",
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
    }
