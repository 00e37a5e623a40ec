"""Checks of the applications: their folders and their backups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from holdfast.catalog.accounts.apps import active_apps
from holdfast.catalog.records import State
from holdfast.catalog.statistics import AppStatistics, app_statistics
from holdfast.schemas.times import iso
from holdfast.service.doctor.finding import Check, Finding, problem, warning
from holdfast.service.instance.home import Instance
from holdfast.service.registry.databases import missing_databases
from holdfast.units import size_text


def _backups(instance: Instance) -> Iterator[Finding]:
    for app in app_statistics(instance.catalog, instance.clock.now_ns()):
        if app.overdue_since is not None:
            good = "it has none at all" if app.good_at is None else f"the last is of {iso(app.good_at, instance.zone)}"
            yield problem(f"The application {app.name} is overdue for a good backup; {good}. Take one now.", _take(app))
        elif app.last_state == State.FAILED and not app.is_last_customers:
            reason = f"{app.last_code}: {app.last_message}"
            yield problem(f"The newest backup of the application {app.name} failed ({reason})", _take(app))
        elif app.good_at is None:
            yield warning(f"The application {app.name} has no good backup yet; take one.", _take(app))


def _shrunk(instance: Instance) -> Iterator[Finding]:
    for app in active_apps(instance.catalog):
        shrunk = app.settings.shrunk
        if shrunk is not None:
            yield warning(
                f"The application {app.name} has shrunk: its backup of {iso(shrunk.at, instance.zone)} has "
                f"{shrunk.files:,} files ({size_text(shrunk.bytes)}), and the one before had {shrunk.files_before:,} "
                f"({size_text(shrunk.bytes_before)}), so its retention rests; see that its folder is as it should be, "
                "then say that this is right.",
                f"holdfast retain {app.id} --accept",
            )


def _named(instance: Instance) -> Iterator[Finding]:
    for root in instance.config.app_roots:
        if not Path(root).is_dir():
            yield warning(f"The folder {root} of app_roots is not there, so the host can register nothing below it.")
    for app in active_apps(instance.catalog):
        if app.node != instance.config.node:
            continue
        missing = [f"database {name}" for name in missing_databases(instance, app)]
        if app.settings.hooks and app.settings.hooks not in instance.config.hooks:
            missing.append(f"hooks {app.settings.hooks}")
        for name in missing:
            yield problem(
                f"The {name} that the host named for the application {app.name} is not in holdfast.toml, so its "
                "backups fail; put it back, or have the host name another."
            )


def _take(app: AppStatistics) -> str:
    return f"holdfast backup create {app.app_id}"


def _folders(instance: Instance) -> Iterator[Finding]:
    home, store = instance.home.resolve(), (instance.home / "store").resolve()
    for app in app_statistics(instance.catalog, instance.clock.now_ns()):
        if app.node != instance.config.node:
            continue
        folder = Path(app.path)
        if not folder.is_dir():
            yield problem(
                f"The folder {folder} of the application {app.name} is gone; put it back (is its disk mounted?), "
                "restore a backup of it, or remove the application."
            )
            continue
        if not os.access(folder, os.R_OK | os.X_OK):
            yield problem(
                f"The folder {folder} of the application {app.name} cannot be read; give this user permission to "
                "read it."
            )
        if folder in store.parents and folder not in home.parents:
            yield problem(
                f"The store {store} lies in the folder of the application {app.name}, so each backup would hold those "
                "before it; move the store out of there."
            )
        elif folder in home.parents:
            yield warning(
                f"Holdfast's home lies in the folder of the application {app.name}, whose owner may remove it with all "
                "backups; move the home elsewhere."
            )


APP_CHECKS = (
    Check("folders", "The folders of all applications are there and readable.", _folders),
    Check("applications", "Every application has a good backup.", _backups),
    Check("named", "What the host names is configured.", _named),
    Check("sizes", "No application has shrunk.", _shrunk),
)
