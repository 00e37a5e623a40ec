"""Run all checks of the doctor, one after the other."""

from __future__ import annotations

import errno
from pathlib import Path

from holdfast.catalog.database.engine import CatalogDamaged
from holdfast.schemas.commands import DoctorLine
from holdfast.service.doctor.apps import APP_CHECKS
from holdfast.service.doctor.finding import Check, Finding, Level, problem
from holdfast.service.doctor.home import HOME_CHECKS
from holdfast.service.doctor.kept import KEPT_CHECKS
from holdfast.service.doctor.machine import MACHINE_CHECKS
from holdfast.service.doctor.running import RUNNING_CHECKS
from holdfast.service.doctor.sign_in import SIGN_IN_CHECKS
from holdfast.service.instance.clock import Clock
from holdfast.service.instance.home import Instance, open_instance
from holdfast.service.instance.logs import FORESEEN

CHECKS: tuple[Check, ...] = (*HOME_CHECKS, *MACHINE_CHECKS, *RUNNING_CHECKS, *SIGN_IN_CHECKS, *KEPT_CHECKS, *APP_CHECKS)

FINDINGS_MAX = 20
"""Of more findings of one check, only the count is told."""


def diagnose(home: Path, clock: Clock | None = None) -> list[DoctorLine]:
    """Run every check. An instance that does not open gets one line, which says why; nothing is raised."""
    try:
        instance = open_instance(home, clock=clock, may_only_read=True)
    except FORESEEN as error:
        command = "holdfast rebuild" if isinstance(error, CatalogDamaged) else ""
        return [DoctorLine("instance", Level.PROBLEM, str(error), command)]
    try:
        return examine(instance)
    finally:
        instance.close()


def examine(instance: Instance) -> list[DoctorLine]:
    """Run every check on an instance that is open."""
    return [line for check in CHECKS for line in lines_of(check, instance)]


def lines_of(check: Check, instance: Instance) -> list[DoctorLine]:
    """The lines of one check."""
    try:
        found = list(check.run(instance))
    except FORESEEN as error:
        found = [problem(str(error))]
    except OSError as error:
        advice = "mount its disk for writing" if error.errno == errno.EROFS else "fix its permissions"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "free space on its disk"
        found = [problem(f"It could not be examined ({error.strerror}: {error.filename}); {advice}.")]
    if not found:
        return [DoctorLine(check.name, Level.OK, check.fine, "")]
    more = found[FINDINGS_MAX:]
    if more:
        worst = Level.PROBLEM if any(one.level is Level.PROBLEM for one in more) else Level.WARNING
        found[FINDINGS_MAX:] = [Finding(worst, f"There are {len(more)} more like these.")]
    return [DoctorLine(check.name, one.level, one.message, one.command) for one in found]
