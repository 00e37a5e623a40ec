"""The schemas of the document: generated from the structs of `schemas/`, each under the name of its struct."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from holdfast.schemas import (
    account,
    apps,
    audit,
    backups,
    envelope,
    events,
    files,
    jobs,
    keys,
    links,
    webhooks,
)
from holdfast.schemas.compat import snapshots, users
from holdfast.schemas.host import accounts as host
from holdfast.schemas.host import apps as host_apps
from holdfast.schemas.host import sync
from holdfast.schemas.people import members, sign_in

Json = dict[str, Any]

SHOWN = (
    *(account.Account, account.PricePlan, account.Health, account.EraseAsked, account.Erasure),
    *(apps.App, apps.Schedule, apps.NewSchedule, apps.RetentionPreview),
    *(backups.ListedBackup, backups.Backup, backups.NewBackup, backups.BackupChange, backups.DeletedBackup),
    *(backups.BackupLog, envelope.Error, events.Event, files.File, files.Diff, files.Finds),
    *(jobs.Job, jobs.JobWithLog, jobs.Restore, jobs.RestorePreview),
    *(webhooks.Webhook, webhooks.WebhookWithSecret, webhooks.NewWebhook, webhooks.WebhookChange),
    *(webhooks.DeletedWebhook, webhooks.Delivery, audit.AuditEntry),
    *(keys.Key, keys.NewKeyShown, keys.DeletedKey, keys.NewKey, keys.KeyChange, keys.NewMainKey),
    *(members.Member, members.InvitedMember, members.EndedMember, members.NewMember, members.MemberChange),
    *(links.NewLink, links.NewLinkShown, links.Link, links.DeletedLink, links.RevokedLinks),
    *(users.Me, snapshots.Snapshot, snapshots.NewSnapshot, snapshots.RestoredSnapshot),
    *(host.HostAccount, host.AccountPut, host_apps.HostApp, host_apps.AppPut),
    *(sync.AccountLine, sync.AppLine, sync.SyncAnswer),
    *(sign_in.NewSignInLink, sign_in.SignInLink),
)

# Decoding lets these be missing, so that the refusal can name the field.
_REQUIRED = {
    "NewSchedule": ["cron"],
    "NewWebhook": ["url"],
    "NewKey": ["name"],
    "EraseAsked": ["name"],
    "NewMember": ["email"],
    "NewLink": ["expires_in"],
    "RestoredSnapshot": ["snapshotId", "versionId"],
    "AccountPut": ["email", "plan"],
    "AppPut": ["account", "path", "name"],
    "SignInPerson": ["email"],
    "AccountLine": ["type", "external_id", "email", "plan"],
    "AppLine": ["type", "external_id", "account", "path", "name"],
}

_CHANGES = ("BackupChange", "WebhookChange", "KeyChange", "MemberChange")
"""Bodies of which any field may be missing, but not all of them."""

NEVER_EMPTY = frozenset((*_REQUIRED, *_CHANGES))
"""Bodies that a request must have."""


@cache
def components() -> Json:
    """The schemas by name; of all answers alike, so nobody changes them."""
    schemas: Json
    _, schemas = msgspec.json.schema_components(SHOWN, ref_template="#/components/schemas/{name}")
    for name, fields in _REQUIRED.items():
        schemas[name]["required"] = fields
    for name in _CHANGES:
        schemas[name]["minProperties"] = 1
    for kind in SHOWN:
        example = vars(kind).get("EXAMPLE")
        if example is not None:
            schemas[kind.__name__]["examples"] = [example]
    return schemas
