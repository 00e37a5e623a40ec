"""The jobs' process: `holdfast.worker.process HOME`. Started by `holdfast serve`, watched by `supervisor.py`.

It is separate from the web process, so that a backup never slows the API down. It ends on SIGTERM, or when the process
that started it is gone (its standard input closes). A home has only one at a time: the next one waits until the
previous one is gone, because each takes work that it finds running for that of a dead process.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from holdfast.service.instance.file_locks import JOBS_LOCK
from holdfast.service.instance.home import Instance, open_instance
from holdfast.service.instance.locks import held
from holdfast.service.instance.logs import FORESEEN, configure_logs
from holdfast.service.jobs.heartbeat import Heart
from holdfast.service.registry.account_record import store_records
from holdfast.service.registry.trash import resume_deletions
from holdfast.worker.executor import DurableExecutor
from holdfast.worker.job_kinds import recover
from holdfast.worker.periodic import PeriodicTasks
from holdfast.worker.periodic_tasks import PERIODIC_TASKS
from holdfast.worker.queue import Worker

_log = logging.getLogger("holdfast.worker.process")  # this module runs as __main__

END_SECONDS = 15.0
"""The process breaks off this long after it was told to end: whatever it does may be cut off anywhere."""

READY = b"ready\n"
BEAT = b"."
"""Written to the server each time that the loop of the queue goes round."""


def main(home: Path) -> None:
    """Work until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    try:
        instance = open_instance(home)
    except FORESEEN:
        configure_logs("jobs")
        _log.exception("jobs_not_started")
        sys.exit(1)
    configure_logs("jobs", instance.config.log_level, instance.config.log_format)
    alive = ExitStack()
    if not _alone(instance, alive, stop):
        return
    threading.Thread(target=_end_in_time, args=(stop,), daemon=True).start()
    instance.node_lease.on_lost = stop.set
    try:
        instance.node_lease.hold()
    except FORESEEN:
        _log.exception("jobs_not_started")
        sys.exit(1)
    recover(instance)
    _try("deletions that were cut off wait", resume_deletions, instance)
    # Beside the work, as there may be very many accounts; the change that a record lacks was told to nobody.
    threading.Thread(
        target=_try, args=("not all accounts' records were looked at", store_records, instance), daemon=True
    ).start()
    heart = Heart(instance, _send_beat)
    heart.beat()
    worker = Worker(instance, DurableExecutor, heart.beat)
    os.set_blocking(1, False)
    worker.start()
    tasks = PeriodicTasks(instance, PERIODIC_TASKS)
    tasks.start()
    _log.info("jobs_started", extra={"node": instance.config.node, "pid": os.getpid()})
    with suppress(BrokenPipeError):  # the parent is gone: what runs already must be told to stop, as below
        os.write(1, READY)
    stop.wait()
    worker.stop()
    tasks.stop()
    alive.close()
    instance.close()
    _log.info("jobs_stopped")


def _alone(instance: Instance, alive: ExitStack, stop: threading.Event) -> bool:
    """Become the only one of this home while `alive` is open, waiting for the previous one; False when told to stop
    first.
    """
    while not stop.is_set():
        with ExitStack() as trying:
            if trying.enter_context(held(instance, JOBS_LOCK)):
                alive.push(trying.pop_all())
                return True
        stop.wait(0.1)
    return False


def _stop_with_parent(stop: threading.Event) -> None:
    os.read(0, 1)  # returns when the parent's end of the pipe is closed
    stop.set()


def _send_beat() -> None:
    """Write a beat to the server, without waiting for one that is gone or does not read."""
    with suppress(BrokenPipeError, BlockingIOError):
        os.write(1, BEAT)


def _end_in_time(stop: threading.Event) -> None:
    stop.wait()
    time.sleep(END_SECONDS)
    os._exit(1)


def _try(what: str, operation: Callable[..., object], *given: object) -> None:
    """Run it and only log a failure, with `what` it means: the next run or start makes up for it."""
    try:
        operation(*given)
    except Exception as error:
        _log.warning("%s: %s", what, error)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
