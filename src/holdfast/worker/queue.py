"""Work on the queue of one node: claim what waits in the catalog, oldest first, and execute it.

The rows in state `queued` are the only queue (`catalog/jobs/queue.py`). The lock of a row is taken before it is claimed
and held until the work has ended, so that nobody takes it for a dead process's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from holdfast.catalog.database.announce import listen
from holdfast.catalog.jobs.queue import claim, waiting
from holdfast.catalog.records import Work
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.jobs.wake import Wakeups
from holdfast.vault.control import ControlOf
from holdfast.worker.job_kinds import is_for_queue, lock_name, steps_of
from holdfast.worker.port import Executor, Steps

POLL_SECONDS = 2.0
"""The interval at which the worker reads the queue when nobody wakes it."""

LISTEN_AGAIN_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Worker:
    """Runs what waits on a node, at most `takes_at_once` at a time. It counts them here and not in the catalog, where
    work that a crash left running, or that another command runs, would take up places."""

    def __init__(
        self,
        instance: Instance,
        executor: Callable[[Instance, Mapping[str, Steps]], Executor],
        on_round: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_round` is called by the loop that claims, each time that it goes round."""
        self._instance = instance
        self._on_round = on_round
        self._stopping = threading.Event()
        self._control: ControlOf[object] = ControlOf(self._stopping.is_set)
        self._claimed: set[str] = set()
        self._executor = executor(instance, steps_of(instance, self._claimed, self._control))
        self._wakeups = Wakeups(instance)
        self._free = threading.Semaphore(instance.config.takes_at_once)
        self._runs = ThreadPoolExecutor(instance.config.takes_at_once, thread_name_prefix="work")
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("claim", self._claim_all), ("listen", self._listen))
        ]

    def start(self) -> None:
        """Start working."""
        self._executor.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Claim nothing more, stop what runs, and wait for it."""
        self._stopping.set()
        self._wakeups.wake()
        for thread in self._threads:
            thread.join()
        self._runs.shutdown()
        self._wakeups.close()
        self._executor.close()

    def _claim_all(self) -> None:
        while not self._stopping.is_set():
            try:
                self._on_round()
                while not self._stopping.is_set() and self._claimed_one():
                    self._on_round()
            except Exception as error:  # the catalog can't be reached: it may be back at the next look
                _log.warning("what waits cannot be begun now: %s", error)
            self._wakeups.wait(POLL_SECONDS)

    def _claimed_one(self) -> bool:
        """Begin the oldest work that can begin now; return False if there is none, or no free place."""
        if not self._free.acquire(blocking=False):
            return False
        with ExitStack() as undo:
            undo.callback(self._free.release)
            for work in waiting(self._instance.catalog, self._instance.config.node):
                with ExitStack() as lock:
                    is_ours = is_for_queue(work) and lock.enter_context(held(self._instance, lock_name(work)))
                    if is_ours and claim(self._instance.catalog, work, self._instance.clock.now_ns()):
                        self._claimed.add(work.id)
                        self._runs.submit(self._run, work, lock.pop_all())
                        undo.pop_all()
                        return True
        return False

    def _run(self, work: Work, lock: ExitStack) -> None:
        try:
            with lock:
                self._executor.run(work)
        except Exception as error:  # what is still `running` then is brought to an end by `recover`
            _log.warning("%s %s was not brought to an end: %s", work.kind, work.id, error, exc_info=error)
        finally:
            self._claimed.discard(work.id)
            self._free.release()
            self._wakeups.wake()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                listen(self._instance.catalog, self._instance.config.node, self._wakeups.wake, self._control)
                return
            except Exception as error:
                _log.warning("what other machines queue is seen only every %g s: %s", POLL_SECONDS, error)
            self._stopping.wait(LISTEN_AGAIN_SECONDS)
