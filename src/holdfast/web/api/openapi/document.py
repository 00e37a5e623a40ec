"""The document as a whole."""

from __future__ import annotations

from holdfast.web.api.openapi import account, backups, browsing, download, jobs, schedule, state, webhooks
from holdfast.web.api.openapi.fields import Json, object_of

_SCHEMAS: Json = {
    "Error": object_of(
        {
            "status": {"type": "string", "const": "error"},
            "code": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"},
            "message": {"type": "string", "minLength": 1, "description": "One sentence for a person."},
        }
    ),
    **backups.SCHEMAS,
    **browsing.SCHEMAS,
    **jobs.SCHEMAS,
    **account.SCHEMAS,
    **schedule.SCHEMAS,
    **webhooks.SCHEMAS,
    **state.SCHEMAS,
}


def document(base_url: str, backups_url: str) -> Json:
    """The whole document, for an instance at these addresses."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast API",
            "version": "3",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url.rstrip("/")}],
        "security": [{"apiKey": []}, {"bearer": []}],
        "paths": {
            **backups.paths(),
            **browsing.paths(),
            **jobs.paths(),
            **schedule.paths(),
            **account.paths(),
            **webhooks.paths(),
            **state.paths(),
            **download.paths(backups_url),
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }
