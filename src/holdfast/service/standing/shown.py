"""A standing as it is shown."""

from __future__ import annotations

from holdfast.schemas import apps as schemas
from holdfast.schemas.fields import note_of, progress_of
from holdfast.schemas.times import iso_or_none
from holdfast.service.instance.home import Instance
from holdfast.service.policy.standing import Kind, Standing


def shown_standing(instance: Instance, standing: Standing, *, for_operator: bool = False) -> schemas.Standing:
    """A standing as it is shown; to the operator with the details of what failed."""
    zone = instance.zone
    return schemas.Standing(
        kind=standing.kind.value,
        code=standing.code,
        since=iso_or_none(standing.since, zone),
        facts=_facts(instance, standing, for_operator=for_operator),
    )


def _facts(instance: Instance, standing: Standing, *, for_operator: bool) -> schemas.StandingFacts:
    zone, facts = instance.zone, standing.facts
    of_restore = facts.restore_failed if standing.kind is Kind.RESTORE_FAILED else None
    restore, work = facts.restore or of_restore, facts.restore or facts.backup
    failed = of_restore or facts.failed
    error = None
    if failed is not None:
        error = note_of(failed.code, failed.message, failed.detail if for_operator else None)
    return schemas.StandingFacts(
        last_good_backup_id=facts.good_id or None,
        last_good_backup_at=iso_or_none(facts.good_at, zone),
        next_backup_at=iso_or_none(facts.next_backup_at, zone),
        restore_proved_at=iso_or_none(facts.proved_at, zone),
        next_proof_at=iso_or_none(facts.next_proof_at, zone),
        running_backup_id=None if facts.backup is None else facts.backup.id,
        restore_job_id=None if restore is None else restore.id,
        progress=None if work is None else progress_of(work.progress, zone, facts.now),
        failed_backup_id=None if facts.failed is None else facts.failed.id,
        failed_since=None if facts.failed is None else iso_or_none(facts.failed.since, zone),
        error=error,
        overdue_since=iso_or_none(facts.overdue_since, zone),
        notified_at=iso_or_none(facts.notified_at, zone),
        host_notified_at=iso_or_none(facts.operator_notified_at, zone),
        node_silent_since=iso_or_none(facts.node_silent_since, zone),
        warnings=facts.warnings,
        damaged_backups=0 if facts.damaged is None else facts.damaged.count,
        damaged_backup_id=None if facts.damaged is None else facts.damaged.backup_id,
        limit=None if facts.limit is None else facts.limit.code,
        limit_ends_at=None if facts.limit is None else iso_or_none(facts.limit.ends_at, zone),
        plan=facts.plan_without or None,
    )
