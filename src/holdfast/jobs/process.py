"""The jobs' process: `python -m holdfast.jobs.process HOME`. Started and watched by `holdfast serve` (`watch.py`).

Apart from the web process, so that a backup never slows the API down. It ends when it is told to (SIGTERM), or when
the process that started it is gone (its standard input closes).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from holdfast.jobs.deeds import recover
from holdfast.jobs.durable import JobsClient, JobsWorker
from holdfast.jobs.duties import DUTIES
from holdfast.jobs.rounds import Rounds
from holdfast.service.backups import resume_deletions
from holdfast.service.instance import Instance, open_instance
from holdfast.service.locks import JOBS_LOCK, held
from holdfast.service.logs import FORESEEN, configure_logs
from holdfast.service.record import keep_records
from holdfast.service.take import recover_backups

_log = logging.getLogger("holdfast.jobs.process")  # this module runs as __main__

PRUNE_SECONDS = 3600
READY = b"ready\n"


def main(home: Path) -> None:
    """Work until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    try:
        instance = open_instance(home)
    except FORESEEN:
        configure_logs("jobs")
        _log.exception("jobs_not_started")
        sys.exit(1)
    configure_logs("jobs", instance.config.log_level, instance.config.log_format)
    alive = ExitStack()
    alive.enter_context(held(instance, JOBS_LOCK))
    recover(instance)
    recover_backups(instance)
    resume_deletions(instance)
    # Beside the work, as there may be very many accounts; the change that a record lacks was told to nobody.
    threading.Thread(target=_keep_records, args=(instance,), daemon=True).start()
    worker = JobsWorker(instance)
    worker.start()
    client = JobsClient(home, instance.config)
    rounds = Rounds(instance, client, DUTIES)
    rounds.start()
    _log.info("jobs_started", extra={"node": instance.config.node, "pid": os.getpid()})
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()

    def watch_parent() -> None:
        os.read(0, 1)  # returns when the parent's end of the pipe is closed
        stop.set()

    threading.Thread(target=watch_parent, daemon=True).start()
    while not stop.wait(PRUNE_SECONDS):
        worker.prune()
    rounds.stop()
    worker.stop()
    client.close()
    alive.close()
    instance.close()
    _log.info("jobs_stopped")


def _keep_records(instance: Instance) -> None:
    try:
        keep_records(instance)
    except Exception as error:  # whatever it is: the next change of an account, or the next start, writes its record
        _log.warning("records of accounts were not all looked at: %s", error)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
