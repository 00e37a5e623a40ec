"""The route of the audit."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import ID, Json, enveloped, ref
from holdfast.web.api.openapi.operations import LINK, PAGE_SIZE, json_of, operation, query


def paths() -> Json:
    """The operations, by path and method."""
    text: Json = {"type": "string", "minLength": 1, "maxLength": 320}
    entries = {"type": "array", "items": ref("AuditEntry")}
    content = {**json_of(enveloped(entries)), "text/csv": {"schema": {"type": "string"}}}
    return {
        "/v3/audit": {
            "get": operation(
                "listAudit",
                "Who changed what, newest first",
                {200: {"description": "A page of entries, or a file.", "content": content, "headers": LINK}},
                (403, 404),
                parameters=(
                    query("app_id", ID, "Only of this application."),
                    query("actor", text, "Only of this kind (`person`, `key` ...), id or name."),
                    query("action", text, "Only this, as `backup.deleted`; with a dot at its end all of a noun."),
                    query("after", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "Only below this `seq`."),
                    PAGE_SIZE,
                ),
                description="With `Accept: text/csv` a file of up to 10,000 entries. Entries are kept 400 days. "
                "Whoever is limited to some applications sees what belongs to those.",
            )
        }
    }
