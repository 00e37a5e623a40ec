"""The routes of keys."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import ID, Json, ref
from holdfast.web.api.openapi.operations import IF_NONE_MATCH, answered, got, operation

_GIVEN = (
    "Rights come from a `group` or from a list of `rights`, on all of the account or on the applications `app_ids`. "
    "Nobody gives a right that he does not have himself (403 `PERMISSION_DENIED`)."
)


def paths() -> Json:
    """The operations, by path and method."""
    key_id: Json = {"name": "key_id", "in": "path", "required": True, "schema": ID}
    key, with_key = ref("Key"), ref("NewKeyShown")

    made = answered(with_key, "It is there; `key` is shown this once.", 201, location_of="The key's")
    return {
        "/v3/keys": {
            "get": operation(
                "listKeys",
                "The account's keys",
                got({"type": "array", "items": key}, "The keys that work, oldest first; the main key among them."),
                parameters=(IF_NONE_MATCH,),
            ),
            "post": operation(
                "addKey", "Make a key with rights of its own", made, (409, 413), body="NewKey", description=_GIVEN
            ),
        },
        "/v3/keys/{key_id}": {
            "patch": operation(
                "changeKey",
                "Change a key",
                answered(key, "The key as it is now."),
                (404, 409, 413),
                parameters=(key_id,),
                body="KeyChange",
                description=f"{_GIVEN} The main key can't be changed.",
            ),
            "delete": operation(
                "deleteKey",
                "End a key",
                answered(ref("DeletedKey"), "It opens nothing any more; its event streams end within a second."),
                (404, 409),
                parameters=(key_id,),
                description="The main key can't be ended; `POST /v3/account/key` replaces it.",
            ),
        },
        "/v3/account/key": {
            "post": operation(
                "replaceMainKey",
                "Replace the main key",
                answered(with_key, "The new main key; `key` is shown this once here."),
                (413,),
                body="NewMainKey",
                description="The old one ends at once, or works on for `overlap_seconds`. Only for who has all rights "
                "that the main key has.",
            )
        },
    }
