"""The status of applications for whoever watches over them: the worst first, each as fine, a warning or a problem."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.catalog.records import App
from holdfast.schemas.commands import AppStatus
from holdfast.schemas.times import time_text
from holdfast.service.doctor.finding import Level
from holdfast.service.instance.home import Instance
from holdfast.service.policy.standing import NOT_WELL, PROBLEMS, Kind, Standing, badness
from holdfast.service.standing.gather import standings
from holdfast.service.standing.shown import shown_standing
from holdfast.service.standing.words import wording_of


def app_statuses(instance: Instance, apps: Sequence[App]) -> list[AppStatus]:
    """Return the status of applications for the operator, the worst first. Raises CatalogError."""
    found = standings(instance, apps)
    by_rank = sorted(apps, key=lambda app: (*badness(found[app.id]), app.name, app.id))
    return [_status(instance, app, found[app.id]) for app in by_rank]


def _status(instance: Instance, app: App, standing: Standing) -> AppStatus:
    words = wording_of(standing, app.id, for_operator=True)
    return AppStatus(
        app_id=app.id,
        app=app.name,
        account_id=app.account_id,
        level=level_of(standing),
        headline=words.headline,
        message=words.text(lambda at: time_text(at, instance.zone)),
        command=words.command,
        standing=shown_standing(instance, standing, for_operator=True),
    )


def level_of(standing: Standing) -> Level:
    """Return how bad a standing is for the operator. A failure that its customer brought about is not his to mend."""
    failed = standing.facts.failed
    if standing.kind in PROBLEMS and not (standing.kind is Kind.FAILED and failed is not None and failed.is_customers):
        return Level.PROBLEM
    return Level.WARNING if standing.kind in NOT_WELL else Level.OK
