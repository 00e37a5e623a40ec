"""An application's schedule as it is shown."""

from __future__ import annotations

from holdfast.catalog.records import App, Retention
from holdfast.schemas import apps as schemas
from holdfast.schemas.fields import Note
from holdfast.schemas.times import iso
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.policy.cron import next_dues, parse_cron
from holdfast.service.preview.recent import ignored_recently
from holdfast.service.registry.accounts import get_account, plan_of

SHOWN_RUNS = 5


def shown_schedule(instance: Instance, app: App, busy: ServiceError | None = None) -> schemas.Schedule:
    """Return an application's schedule as it is shown, with its next runs and what its patterns leave out now.

    `busy`: the reason that the folder is not to be looked through.
    """
    settings = app.settings
    ignored, error = ignored_of(instance, app) if busy is None else (None, Note(busy.code, busy.message))
    return schemas.Schedule(
        cron=settings.cron or None,
        retention=schemas.rules_of(settings.retention),
        ignore=list(settings.ignore),
        next_runs=[iso(at, instance.zone) for at in next_runs(instance, app)],
        time_zone=instance.config.time_zone,
        ignored=ignored,
        ignored_error=error,
        notices=notices_of(instance, app),
    )


def next_runs(instance: Instance, app: App) -> list[int]:
    """Return the times, in nanoseconds, of the next runs of an application's schedule; none without one."""
    if not app.settings.cron:
        return []
    now_ns, jitter = instance.clock.now_ns(), instance.config.schedule_jitter_seconds
    dues = next_dues(parse_cron(app.settings.cron), now_ns, instance.zone, app.id, jitter, SHOWN_RUNS)
    return [due.at for due in dues]


def ignored_of(instance: Instance, app: App) -> tuple[schemas.Ignored | None, Note | None]:
    """Return what the patterns leave out of the folder, or why that is not known."""
    if app.node != instance.config.node:
        message = f"The application's folder is on the node {app.node}, so what its patterns match is not known here."
        return None, Note("OTHER_NODE", message)
    try:
        return ignored_recently(instance, app), None
    except ServiceError as error:
        return None, Note(error.code, error.message)


def notices_of(instance: Instance, app: App) -> list[str]:
    """Sentences for who sets a retention that the plan does not have room for."""
    account = get_account(instance, app.account_id)
    most = plan_of(instance, account).backups_per_app
    retention = app.settings.retention
    counts = [value for name in Retention.__struct_fields__ if isinstance(value := getattr(retention, name), int)]
    if most and sum(counts) > most:
        return [
            f"The retention rules may keep {sum(counts)} backups, and the plan {account.plan} has room for {most} of "
            "each application; the oldest go first."
        ]
    return []
