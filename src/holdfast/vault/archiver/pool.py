"""The process pool: worker processes that ingest in parallel, and the threads here that feed them.

One thread per worker sends it jobs, two ahead so that it never waits, and takes its results. A small backup needs no
processes: `InlinePool` runs the jobs in this process behind the same interface.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO

import msgspec

from holdfast.isolation import ROOT, UMASK, isolated
from holdfast.stores.port import Store, StoreError, StoreFull, StoreUnreachable
from holdfast.vault.archiver.claims import Claims
from holdfast.vault.archiver.ingest import Ingest
from holdfast.vault.archiver.protocol import Failure, Reply, Setup, read_frame, send_frame
from holdfast.vault.archiver.shared_index import SharedIndex
from holdfast.vault.archiver.tasks import Job, Result
from holdfast.vault.control import Control
from holdfast.vault.errors import DamagedError, StreamFailed, TakeAgain, VaultError
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.segment import Encoder
from holdfast.vault.pack.writer import run_now
from holdfast.vault.source import ReadableSource

JOBS_AHEAD = 2
CHECK_SECONDS = 0.25
"""The interval between checks for a cancelled backup."""

_reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)
_encode = msgspec.msgpack.Encoder().encode


_FAILURES: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (StoreFull, StoreUnreachable, StoreError, DamagedError, StreamFailed, TakeAgain)
}


class _Worker:
    """One worker process."""

    def __init__(self, setup: Setup) -> None:
        self._process = subprocess.Popen(
            isolated("holdfast.vault.archiver.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(setup.claims_fd, setup.known_fd, *setup.source.descriptors()),
            cwd=ROOT,
            umask=UMASK,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to: IO[bytes] = self._process.stdin
        self._from: IO[bytes] = self._process.stdout
        try:
            self.send(pickle.dumps(setup))
        except BaseException:  # nobody else knows of it yet
            self.close()
            raise

    def send(self, body: bytes) -> None:
        try:
            send_frame(self._to, body)
        except BrokenPipeError:
            self.receive()  # its last message says why, or that it died
            raise

    def receive(self) -> Result:
        body = read_frame(self._from)
        if body is None:
            code = self._process.wait()
            raise VaultError(
                f"A worker process of the backup ended unexpectedly (code {code}); is the machine out of memory?"
            )
        reply: Reply = _reply_decoder.decode(body)
        if isinstance(reply, Failure):
            raise _FAILURES.get(reply.kind, VaultError)(reply.message)
        return reply.result

    def kill(self) -> None:
        """Kill it, whatever it is doing; from any thread."""
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """End it and release its pipes."""
        self.kill()
        self._process.wait()
        with suppress(BrokenPipeError):  # unsent bytes do not matter any more; the pipe is closed all the same
            self._to.close()
        self._from.close()


class ProcessPool:
    """Runs jobs in `workers` processes. Use once."""

    def __init__(
        self,
        source: ReadableSource,
        store: Store,
        data_key: bytes,
        vault_id: str,
        encoder: Encoder,
        index: Index,
        workers: int,
        chunks_expected: int,
    ) -> None:
        slots = Claims.slots_for(chunks_expected)
        self._claims_fd = Claims.shared_memory(slots)
        self._known_fd = SharedIndex.share(index)
        setup = Setup(source, store, data_key, vault_id, encoder, self._claims_fd, slots, self._known_fd, len(index))
        self._workers: list[_Worker] = []
        try:
            for _ in range(workers):
                self._workers.append(_Worker(setup))
        except BaseException:
            self.close()
            raise

    def run(self, jobs: Iterator[Job], gather: Callable[[Result], None], control: Control) -> None:
        """Run all jobs; `gather` gets each result, one call at a time.

        Raises the first failure of any worker, after the others have finished their jobs; and Cancelled, which kills
        them at once.
        """
        lock = threading.Lock()
        failures: list[BaseException] = []

        def next_job() -> Job | None:
            with lock:
                return None if failures else next(jobs, None)

        def take(result: Result) -> None:
            with lock:
                gather(result)

        def drive(worker: _Worker) -> None:
            try:
                ahead = 0
                while (job := next_job()) is not None:
                    worker.send(_encode(job))
                    ahead += 1
                    if ahead == JOBS_AHEAD:
                        take(worker.receive())
                        ahead -= 1
                worker.send(b"")
                for _ in range(ahead + 1):
                    take(worker.receive())
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=drive, args=(w,), daemon=True) for w in self._workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(CHECK_SECONDS)
                try:
                    control.check("The backup was cancelled.")
                except Exception as error:
                    failures.append(error)
                    for worker in self._workers:
                        worker.kill()
        if failures:
            raise failures[0]

    def close(self) -> None:
        """End the workers; anything not yet durable is discarded."""
        for worker in self._workers:
            worker.close()
        os.close(self._claims_fd)
        os.close(self._known_fd)


class InlinePool:
    """Runs the jobs in this process: for small backups, and for stores that live in memory."""

    def __init__(
        self,
        source: ReadableSource,
        store: Store,
        keys: VaultKeys,
        encoder: Encoder,
        index: Index,
        chunks_expected: int,
    ) -> None:
        self._reader = source.reader()
        claims = Claims(Claims.slots_for(chunks_expected), None)
        self._ingest = Ingest(self._reader, store, keys, encoder, SharedIndex(index), claims, run_now)

    def run(self, jobs: Iterator[Job], gather: Callable[[Result], None], control: Control) -> None:
        """Run all jobs; `gather` gets each result. Raises Cancelled, between two of them."""
        for job in jobs:
            control.check("The backup was cancelled.")
            gather(self._ingest.process(job))
        gather(Result(b"", b"", b"", [], 0, 0, self._ingest.finish()))

    def close(self) -> None:
        """Discard packs that are not durable."""
        self._ingest.abort()
        self._reader.close()
