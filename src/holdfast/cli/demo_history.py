"""The demo's history: 30 days of real backups, made within seconds with a clock of its own.

The bot is backed up each night, and a test restore of it is made every ten days; one night its folder was not there.
The shop's last backup failed, for the same reason. Half an hour ago the bot's configuration was restored, which can be
undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.demo_apps import CHANGED, a_day_passes, make_database
from holdfast.cli.state import operator

if TYPE_CHECKING:
    from holdfast.catalog.records import Account, App, Backup
    from holdfast.service.instance.home import Instance

DAYS = 30
SHOP_DAYS = 12
AWAY_DAY = 11
"""Nights ago on which the bot's folder was not there."""

PROVED_EACH = 10
DATABASE_NIGHTS = 5
"""The bot has its database for so many nights: a copy of one takes longer than all else in a small backup."""

RESTORED_MINUTES_AGO = 25
_MINUTE_NS = 60_000_000_000


class PastClock:
    """A clock that is set."""

    def __init__(self, ns: int) -> None:
        self.ns = ns

    def now_ns(self) -> int:
        """The time that it is set to."""
        return self.ns


def begin(now_ns: int) -> PastClock:
    """The clock with which the instance and its applications are made."""
    return PastClock(now_ns - (DAYS + 1) * 24 * 60 * _MINUTE_NS)


def live_through(instance: Instance, clock: PastClock, bot: App, shop: App, now_ns: int) -> None:
    """Let the days pass, until now; the last night's backups are made too."""
    from holdfast.catalog.records import Actor, ActorKind
    from holdfast.service.take.run import take_now

    schedule = Actor(ActorKind.SCHEDULE, "", "schedule")
    folders = Path(bot.path), Path(shop.path)
    for nights_ago in range(DAYS - 1, -1, -1):
        a_day_passes(*folders, DAYS - nights_ago)
        if nights_ago < DATABASE_NIGHTS:
            make_database(folders[0])
        clock.ns = _night(instance, now_ns, nights_ago)
        with _away(folders[0], is_away=nights_ago == AWAY_DAY):
            taken = take_now(instance, bot.id, schedule, origin="scheduled")
        if nights_ago % PROVED_EACH == 0:
            _prove(instance, clock, taken)
        if nights_ago < SHOP_DAYS:
            clock.ns += 10 * _MINUTE_NS
            with _away(folders[1], is_away=nights_ago == 0):
                take_now(instance, shop.id, schedule, origin="scheduled")
    clock.ns = max(clock.ns, now_ns - RESTORED_MINUTES_AGO * _MINUTE_NS)
    _restore(instance, bot)


def _night(instance: Instance, now_ns: int, nights_ago: int) -> int:
    """Three o'clock of a night, or some minutes ago when the last one has not come that far."""
    from holdfast.schemas.times import local_time

    local = local_time(now_ns, instance.zone).replace(hour=3, minute=0, second=0, microsecond=0)
    at = (local - timedelta(days=nights_ago)).replace(tzinfo=instance.zone)
    return min(int(at.timestamp()) * 1_000_000_000, now_ns - 2 * RESTORED_MINUTES_AGO * _MINUTE_NS)


@contextmanager
def _away(folder: Path, *, is_away: bool) -> Iterator[None]:
    """The folder is not there meanwhile."""
    hidden = folder.with_name(f"{folder.name}.away")
    if is_away:
        folder.rename(hidden)
    try:
        yield
    finally:
        if is_away:
            hidden.rename(folder)


def _prove(instance: Instance, clock: PastClock, backup: Backup) -> None:
    from holdfast.service.integrity.prove import request_prove, run_prove

    if backup.state == "successful":
        clock.ns += 5 * _MINUTE_NS
        run_prove(instance, request_prove(instance, backup, operator()).id)


def _restore(instance: Instance, bot: App) -> None:
    """Somebody changed the configuration, and brought back last night's."""
    from holdfast.service.integrity.prove import newest_backup
    from holdfast.service.restore.files import request_restore, run_restore
    from holdfast.service.restore.plan import Wanted

    (Path(bot.path) / "config.json").write_text(CHANGED)
    wanted = Wanted(paths=("config.json",), mode="overlay")
    run_restore(instance, request_restore(instance, newest_backup(instance, bot.id), bot, wanted, operator()).id)


def first_account(instance: Instance, email: str, plan: str) -> Account:
    """The demo's account, made if the instance has none."""
    from holdfast.service.registry.accounts import add_account, list_accounts

    accounts = list_accounts(instance)
    return accounts[0] if accounts else add_account(instance, email, plan, operator()).account
