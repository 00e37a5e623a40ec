"""The jobs' process: `python -m holdfast.jobs.process HOME`. Started and watched by `holdfast serve` (`watch.py`).

Apart from the web process, so that a backup never slows the API down. It ends when it is told to (SIGTERM), or when
the process that started it is gone (its standard input closes). There is one for each home at a time: the next one
waits until the last one is gone, because each takes what it finds running in the queue for a dead one's.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from holdfast.jobs.deeds import recover, waiting
from holdfast.jobs.durable import REQUEUE_AFTER_SECONDS, JobsClient, JobsWorker
from holdfast.jobs.duties import DUTIES
from holdfast.jobs.rounds import Rounds
from holdfast.service.backups import resume_deletions
from holdfast.service.instance import Instance, open_instance
from holdfast.service.record import keep_records

PRUNE_SECONDS = 3600
REQUEUE_SECONDS = 5
END_SECONDS = 15.0
"""When it has not ended so long after it was told to, it breaks off: whatever it does may be cut off anywhere."""

READY = b"ready\n"

_log = logging.getLogger(__name__)


def main(home: Path) -> None:
    """Work until told to stop."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s jobs %(levelname)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    instance = open_instance(home)
    if not _alone(instance, stop):
        return
    threading.Thread(target=_end_in_time, args=(stop,), daemon=True).start()
    recover(instance)
    _try("deletions that were cut off wait", resume_deletions, instance)
    # Beside the work, as there may be very many accounts; the change that a record lacks was told to nobody.
    threading.Thread(
        target=_try, args=("not all accounts' records were looked at", keep_records, instance), daemon=True
    ).start()
    worker = JobsWorker(instance)
    worker.start()
    client = JobsClient(home, instance.config)
    _try("what waits is not all in the queue", _requeue, instance, client, 0.0)
    rounds = Rounds(instance, client, DUTIES)
    rounds.start()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    pruned_at = time.monotonic()
    while not stop.wait(REQUEUE_SECONDS):
        _try("what waits is not all in the queue", _requeue, instance, client, REQUEUE_AFTER_SECONDS)
        if time.monotonic() - pruned_at >= PRUNE_SECONDS:
            pruned_at = time.monotonic()
            _try("old entries stay in the queue", worker.prune)
    worker.stop()
    rounds.stop()
    client.close()
    instance.close()


def _alone(instance: Instance, stop: threading.Event) -> bool:
    """Be the only one of this home until this process ends, waiting for the last one; False when told to stop first."""
    fd = os.open(instance.run / "jobs.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while not stop.is_set():
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stop.wait(0.1)
        else:
            return True  # never closed: the lock goes with the process
    return False


def _stop_with_parent(stop: threading.Event) -> None:
    os.read(0, 1)  # returns when the parent's end of the pipe is closed
    stop.set()


def _end_in_time(stop: threading.Event) -> None:
    stop.wait()
    time.sleep(END_SECONDS)
    os._exit(1)


def _requeue(instance: Instance, client: JobsClient, since_seconds: float) -> None:
    client.enqueue_lost(waiting(instance, since_seconds))


def _try(what: str, deed: Callable[..., object], *given: object) -> None:
    """Do it; what goes wrong is only logged, with `what` that means: the next time or start makes up for it."""
    try:
        deed(*given)
    except Exception as error:
        _log.warning("%s: %s", what, error)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
