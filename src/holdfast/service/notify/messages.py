"""Messages: an event as text for people (title and text) and for programs (a webhook's JSON).

A text says what happened, what that means, and what to do. It must never contain a key, a download's URL or a secret.
Names come from tenants and may go to others (the operator's chat), so mentions and markup in them are disabled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import msgspec
from msgspec import UNSET

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.accounts.rows import account_by_id
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.events.log import event_by_seq
from holdfast.catalog.events.records import Delivery, Endpoint
from holdfast.catalog.records import App, Backup, Event, EventKind, JobState
from holdfast.schemas.fields import Note, OperatorNote
from holdfast.schemas.times import iso, iso_or_none, time_text
from holdfast.schemas.webhooks import Happened, Tried, WebhookBody
from holdfast.service.instance.home import Instance
from holdfast.service.notify.apprise_sender import Urgency
from holdfast.service.policy.standing import Standing
from holdfast.service.registry.backups import full_object
from holdfast.service.standing.gather import standings
from holdfast.service.standing.shown import shown_standing
from holdfast.service.standing.words import wording_of
from holdfast.units import size_text

TEST_KIND = "webhook.test"
WARNINGS_SHOWN_MAX = 20
_SECRET_FIELDS = ("key", "url", "progress")
_CANCELLED = "CANCELLED"
_CAPS = {
    "plan_storage": "the account stored more than its plan allows",
    "plan_backups": "the application had more backups than the plan allows",
    "plan_days": "it was older than the plan allows",
}


class Message(msgspec.Struct, frozen=True):
    """A message for people. `urgency`: as `apprise_sender.Urgency`."""

    title: str
    text: str
    urgency: Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of a message. Times in nanoseconds. `app`: its name, empty when it was removed; `error`: one sentence
    that says why it failed; `is_running`: a backup of the overdue application is running; `account`: its owner, in
    messages to the operator; `sizes`: of a shrunk backup and of the one before it, or of the storage; `reason`: why
    a backup was deleted; `gone_at`: when it leaves the trash; `standing`: of the application, as it is now, in a
    headline; `..._external_id`: the host's own ids, in messages to the operator."""

    kind: str
    at: int
    app: str
    link: str
    zone: tzinfo
    backup: str = ""
    size: int = 0
    warnings: int = 0
    error_code: str | None = None
    error: str | None = None
    state: str = JobState.SUCCESSFUL
    last_good_at: int | None = None
    is_running: bool = False
    account: str = ""
    app_id: str = ""
    sizes: str = ""
    reason: str = ""
    gone_at: int | None = None
    standing: str = ""
    account_external_id: str | None = None
    app_external_id: str | None = None


def body_of(instance: Instance, delivery: Delivery, endpoint: Endpoint) -> str | None:
    """Return the body that a delivery sends, as JSON; None when the event is gone."""
    if delivery.kind == TEST_KIND:
        return _test_body(instance, delivery, endpoint)
    event = None if delivery.event_seq is None else event_by_seq(instance.catalog, delivery.event_seq)
    if event is None:
        return None
    backup = None if event.backup_id is None else backup_by_id(instance.catalog, event.backup_id)
    app = None if event.app_id is None else app_by_id(instance.catalog, event.app_id)
    standing = None if app is None else standings(instance, [app])[app.id]
    is_operators = endpoint.account_id is None
    facts = _facts(instance, event, backup, app, standing, for_operator=is_operators)
    message = compose(facts)
    if endpoint.kind == "apprise":
        return msgspec.json.encode(message).decode()
    body = _webhook(instance, event, backup, facts, message, standing, for_operator=is_operators)
    return msgspec.json.encode(body).decode()


def compose(facts: Facts) -> Message:
    """The message for people."""
    app, when = _without_mentions(facts.app) or "An application that was removed", time_text(facts.at, facts.zone)
    backup = f"the backup “{_without_mentions(facts.backup)}”" if facts.backup else "a backup"
    why = _sentence(facts.error)
    urgency: Urgency = "failure"
    match facts.kind:
        case EventKind.BACKUP_FINISHED:
            urgency = "warning" if facts.warnings else "success"
            title = f"{app}: backup finished"
            sentences = [f"{_cap(backup)} was finished at {when}; it has {size_text(facts.size)} as a download."]
            if facts.warnings:
                many = "1 warning" if facts.warnings == 1 else f"{facts.warnings} warnings"
                sentences.append(f"It has {many}: see what they say, as something may be missing in it.")
        case EventKind.BACKUP_FAILED if facts.error_code == _CANCELLED:
            urgency = "info"
            title = f"{app}: backup cancelled"
            sentences = [
                f"{_cap(backup)} was cancelled at {when}.",
                _last_good(facts),
                "Take another one when it suits.",
            ]
        case EventKind.BACKUP_FAILED:
            title = f"{app}: backup failed"
            sentences = [
                f"{_cap(backup)} failed at {when}. {why}",
                _last_good(facts),
                "Fix the cause and take a new one.",
            ]
        case EventKind.BACKUP_OVERDUE:
            title = f"{app}: no good backup in time"
            sentences = [
                f"By its schedule {app} should have had a good backup by {when}, and it has none.",
                _last_good(facts),
            ]
            if facts.is_running:
                sentences.append("One is being made just now; wait for it.")
            elif why:
                sentences.append(f"The last try failed: {why} Fix that and take a backup.")
            else:
                sentences.append("See whether its backups fail or do not run, and take one.")
        case EventKind.BACKUP_SHRUNK:
            urgency = "warning"
            title = f"{app}: its folder has shrunk"
            sentences = [
                f"{_cap(backup)}, finished at {when}, has {facts.sizes}.",
                "Its older backups are kept, whatever the rules say, until somebody says that this is right.",
                "See whether files were lost, or a disk is not mounted there.",
                "If it is right, accept it: "
                + (
                    f"run `holdfast retain {facts.app_id} --accept`."
                    if facts.account
                    else f"POST /v3/apps/{facts.app_id}/retention/accept."
                ),
            ]
        case EventKind.BACKUP_EXPIRED:
            urgency = "warning"
            title = f"{app}: a backup was deleted"
            sentences = [
                f"{_cap(backup)} was deleted at {when}, as {_CAPS.get(facts.reason, 'the plan allows no more')}.",
                _back_until(facts),
                "Lock what has to stay, delete what may go, or ask for a larger plan.",
            ]
        case EventKind.BACKUP_UNLOCKED:
            urgency = "warning"
            title = f"{app}: a backup was unlocked"
            sentences = [
                f"The operator unlocked {backup} at {when}, before its time lock was over.",
                "It can be deleted now. If that is not as agreed, download it, or lock it again.",
            ]
        case EventKind.STORAGE_NEARLY_FULL:
            urgency = "warning"
            title = "The storage for backups is nearly full"
            sentences = [
                f"At {when} the account's backups take {facts.sizes}.",
                "At the limit no more backups can be taken by hand, and above it old ones are deleted.",
                "Delete what may go, or ask for a larger plan.",
            ]
        case EventKind.RESTORE_FINISHED if facts.state == JobState.SUCCESSFUL:
            urgency = "success"
            title = f"{app}: restored"
            sentences = [
                f"{app} was restored from {backup} at {when}.",
                "If that was wrong, restore the safety backup from before it, where one was taken.",
            ]
        case EventKind.RESTORE_FINISHED if facts.state == JobState.CANCELLED:
            urgency = "info"
            title = f"{app}: restore cancelled"
            sentences = [f"The restore of {app} from {backup} was cancelled at {when}; nothing was changed."]
        case EventKind.RESTORE_FINISHED:
            title = f"{app}: restore failed"
            sentences = [
                f"The restore of {app} from {backup} failed at {when}. {why}",
                "What was there before the restore is kept. Fix the cause and restore again.",
            ]
        case EventKind.VERIFY_FAILED:
            title = f"{app}: a backup is damaged"
            sentences = [
                f"{_cap(backup)} did not pass its proof at {when}. {why}",
                "What can't be read is missing in its downloads and restores; its other files are good.",
                "A fresh backup brings back what is still the same: see that one is taken, and that it succeeds.",
            ]
        case _:
            raise AssertionError(f"no message for {facts.kind}")
    lines = [" ".join(line.split()) for line in sentences if line]
    if facts.standing:
        lines.append(f"Now: {_without_mentions(facts.standing)}")
    if facts.account:
        lines.append(f"Account: {_without_mentions(facts.account)}")
    return Message(title, "\n".join([*lines, facts.link]), urgency)


def _facts(
    instance: Instance,
    event: Event,
    backup: Backup | None,
    app: App | None,
    standing: Standing | None,
    *,
    for_operator: bool,
) -> Facts:
    account = account_by_id(instance.catalog, event.account_id) if for_operator else None
    error = _error_of(event)
    reason = None if error is None else error.detail if for_operator else error.message
    return Facts(
        kind=event.kind,
        at=event.at,
        app=app.name if app is not None else "",
        link=instance.config.base_url.rstrip("/") + _page_of(event, backup, app, for_operator=for_operator),
        zone=instance.zone,
        backup=backup.name if backup is not None else str(event.data.get("name") or ""),
        size=0 if backup is None else backup.zip_bytes,
        warnings=0 if backup is None else len(backup.warnings),
        error_code=error.code if error else None,
        error=reason,
        state=str(event.data.get("state") or JobState.SUCCESSFUL),
        last_good_at=None if standing is None else standing.facts.good_at,
        is_running=event.data.get("is_running") is True,
        account=f"{account.email} ({account.id})" if account is not None else "",
        account_external_id=None if account is None else account.external_id,
        app_external_id=None if app is None else app.external_id,
        app_id=event.app_id or "",
        sizes=_sizes(event),
        reason=str(event.data.get("reason") or ""),
        gone_at=event.data.get("gone_at"),
        standing="" if app is None or standing is None else _headline(instance, app, standing, for_operator),
    )


def _page_of(event: Event, backup: Backup | None, app: App | None, *, for_operator: bool) -> str:
    """Return the path of the page that tells more of an event, to whoever gets the message; one that is there."""
    if for_operator:
        return f"/operator/accounts/{event.account_id}"
    if event.kind is EventKind.STORAGE_NEARLY_FULL:
        return "/account/plan"
    if app is None:
        return "/"
    if event.kind is EventKind.RESTORE_FINISHED and event.job_id is not None:
        return f"/jobs/{event.job_id}"
    is_of_one = event.kind is not EventKind.BACKUP_SHRUNK  # which is about what came before too
    if is_of_one and backup is not None and backup.deleted_at is None:
        return f"/apps/{app.id}/backups/{backup.id}"
    return f"/apps/{app.id}"


def _headline(instance: Instance, app: App, standing: Standing, for_operator: bool) -> str:
    return wording_of(standing, app.id, for_operator=for_operator).headline


def _sizes(event: Event) -> str:
    """The content of a shrunk backup and of the one before it; or what an account stores, and may store."""
    if event.kind is EventKind.STORAGE_NEARLY_FULL:
        used, allowed = (size_text(int(event.data.get(name, 0))) for name in ("used", "allowed"))
        return f"{used} of the {allowed} that the plan allows"
    now, before = (int(event.data.get(name, 0)) for name in ("files", "files_before"))
    size, size_before = (size_text(int(event.data.get(name, 0))) for name in ("size", "size_before"))
    return f"{now:,} files ({size}), and the one before had {before:,} ({size_before})"


def _error_of(event: Event) -> OperatorNote | None:
    """Code and texts of what went wrong, as its event says: in `error`, or as `code`, `message` and `detail`."""
    error = event.data.get("error") or event.data
    if not isinstance(error, dict) or not error.get("code"):
        return None
    message = str(error.get("message") or "")
    return OperatorNote(str(error["code"]), message, str(error.get("detail") or message))


def _webhook(
    instance: Instance,
    event: Event,
    backup: Backup | None,
    facts: Facts,
    message: Message,
    standing: Standing | None,
    *,
    for_operator: bool,
) -> WebhookBody:
    """The message for programs."""
    error: Note | None = _error_of(event)
    if error is not None and not for_operator:
        error = Note(error.code, error.message)
    data = Happened(
        account_id=event.account_id,
        app_id=event.app_id,
        app=facts.app or None,
        backup_id=event.backup_id,
        job_id=event.job_id,
        message=message.title + ". " + " ".join(message.text.split("\n")[:-1]),
        link=facts.link,
        error=error,
        last_good_backup_at=iso_or_none(facts.last_good_at, instance.zone),
        standing=None if standing is None else shown_standing(instance, standing, for_operator=for_operator),
        backup=None if backup is None else _shown(instance, backup, for_operator=for_operator),
        state=facts.state if event.kind is EventKind.RESTORE_FINISHED else UNSET,
        account_external_id=facts.account_external_id if for_operator else UNSET,
        app_external_id=facts.app_external_id if for_operator else UNSET,
        reference=(None if backup is None else backup.reference) if for_operator else UNSET,
    )
    return WebhookBody(str(event.kind), iso(event.at, instance.zone), data)


def _shown(instance: Instance, backup: Backup, *, for_operator: bool) -> dict[str, Any]:
    """The full backup object without what opens it: a receiver has the API for that."""
    full = full_object(instance, backup, for_operator=for_operator)
    shown = {name: getattr(full, name) for name in full.__struct_fields__ if name not in _SECRET_FIELDS}
    return {**shown, "warnings": full.warnings[:WARNINGS_SHOWN_MAX]}


def _test_body(instance: Instance, delivery: Delivery, endpoint: Endpoint) -> str:
    text = "This is a test. Notices of your backups will arrive in the same way."
    if endpoint.account_id is None:
        text = "This is a test. Notices of this instance's backups will arrive in the same way."
    base = instance.config.base_url
    if endpoint.kind == "apprise":
        return msgspec.json.encode(Message("Holdfast: test", f"{text}\n{base}", "info")).decode()
    body = WebhookBody(TEST_KIND, iso(delivery.created_at, instance.zone), Tried(endpoint.account_id, text, base))
    return msgspec.json.encode(body).decode()


def _last_good(facts: Facts) -> str:
    if facts.last_good_at is None:
        return "It has no good backup yet, so nothing could be restored."
    return f"The last good backup is from {time_text(facts.last_good_at, facts.zone)}; what is newer is not safe yet."


def _back_until(facts: Facts) -> str:
    if facts.gone_at is None:
        return ""
    until = time_text(facts.gone_at, facts.zone)
    return f"It is in the trash and can be brought back until {until}, once the plan has room for it again."


def _sentence(text: str | None) -> str:
    """A reason as a sentence of its own; it may name a tenant's files."""
    text = _without_mentions(text or "").strip()
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _without_mentions(name: str) -> str:
    """Return a name that works neither as a mention (`@everyone`) nor as markup: a zero-width space breaks both."""
    return name.replace("@", "@\u200b").replace("<", "<\u200b").replace("](", "]\u200b(")
