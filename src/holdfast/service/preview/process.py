"""The process of one preview: an `Order` on standard input, a `Reply` on standard output.

It has a limit on memory, so what a hostile folder takes is taken here, and given back when the process ends.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

import msgspec

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups.found import backup_by_id
from holdfast.service.errors import app_not_found, backup_not_found
from holdfast.service.instance.home import Instance, open_instance
from holdfast.service.preview.order import IgnoredOrder, Order, Refusal, Reply, RestoreOrder, refusal_of
from holdfast.service.restore.plan import preview_restore
from holdfast.service.take.ignore_patterns import preview_ignored
from holdfast.sources.port import SourceTooLarge

TOO_LARGE = (
    "The application's folder, or the backup, has too many files for a preview; leave some out with ignore patterns, "
    "or ask for some paths at a time."
)


def main() -> None:
    """Do what standard input says."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    resource.setrlimit(resource.RLIMIT_AS, (order.config.preview_memory_max, order.config.preview_memory_max))
    signal.alarm(int(order.seconds) + 5)  # whoever started us may be gone
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library's output must not mix with the answer
    with answers:
        answers.write(msgspec.json.encode(_done(order)))


def _done(order: Order) -> Reply:
    try:
        instance = open_instance(Path(order.home))
        instance.config = order.config
        return _previewed(instance, order.what)
    except MemoryError:
        return Reply(refusal=Refusal(SourceTooLarge.__name__, TOO_LARGE))
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        return Reply(refusal=refusal)


def _previewed(instance: Instance, what: IgnoredOrder | RestoreOrder) -> Reply:
    app = app_by_id(instance.catalog, what.app_id)
    if app is None:
        raise app_not_found()
    if isinstance(what, IgnoredOrder):
        return Reply(ignored=preview_ignored(instance, app, what.patterns))
    backup = backup_by_id(instance.catalog, what.backup_id)
    if backup is None:
        raise backup_not_found()
    return Reply(restore=preview_restore(instance, backup, app, what.wanted))


if __name__ == "__main__":
    main()
