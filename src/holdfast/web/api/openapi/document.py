"""The document as a whole."""

from __future__ import annotations

from holdfast.web.api.openapi import (
    account,
    audit,
    backups,
    browsing,
    download,
    jobs,
    schedule,
    state,
    webhooks,
)
from holdfast.web.api.openapi.compat import snapshots, users
from holdfast.web.api.openapi.components import components
from holdfast.web.api.openapi.fields import Json
from holdfast.web.api.openapi.host import accounts as host_accounts
from holdfast.web.api.openapi.host import apps as host_apps
from holdfast.web.api.openapi.host import sign_in, sync
from holdfast.web.api.openapi.people import account_end, keys, links, members

_SUBJECTS = {
    "backups": (backups.paths, "Backups: list, start, import, change, delete."),
    "browsing": (browsing.paths, "What is in backups: files, differences, finds."),
    "jobs": (jobs.paths, "What takes its time, and the stream of events."),
    "schedule": (schedule.paths, "When applications are backed up by themselves."),
    "account": (
        lambda: {**account.paths(), **account_end.paths()},
        "The account, its applications, the plans; all its data, and its end.",
    ),
    "keys": (keys.paths, "The account's keys, each with rights of its own."),
    "members": (members.paths, "Who is a member of the account, and who is invited."),
    "links": (links.paths, "Download links that end."),
    "webhooks": (webhooks.paths, "Who is told of events."),
    "audit": (audit.paths, "Who changed what."),
    "snapshots": (
        lambda: {**users.paths(), **snapshots.paths()},
        "For clients of the neighbouring API: the same backups, under the names that these know.",
    ),
    "host": (
        lambda: {**host_accounts.paths(), **host_apps.paths(), **sign_in.paths(), **sync.paths()},
        "The host's side: its accounts and applications, under its own ids; with an admin key.",
    ),
    "state": (state.paths, "The state of the instance."),
}
"""The operations and the meaning of each tag."""


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
        "tags": [
            *({"name": tag, "description": about} for tag, (_, about) in _SUBJECTS.items()),
            {"name": "download", "description": "The bytes of a backup."},
        ],
        "paths": {
            **{path: ops for tag, (paths, _) in _SUBJECTS.items() for path, ops in _tagged(paths(), tag).items()},
            **_tagged(download.paths(backups_url), "download"),
        },
        "components": {
            "schemas": components(),
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _tagged(paths: Json, tag: str) -> Json:
    """The paths, each operation with its one tag."""
    for operations in paths.values():
        for method, operation in operations.items():
            if method != "servers":
                operation["tags"] = [tag]
    return paths
