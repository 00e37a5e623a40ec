"""The context that all handlers of one web process share: the instance, the threads, the throttles.

The *calls* threads run everything of `service/` that may wait for SQL or the disk; the *streams* threads run the
generators of downloads, so that many slow disks never keep an API call waiting for a thread. The *outside* threads wait
for servers that customers name.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from litestar.types import Scope
from prometheus_client import CollectorRegistry

from holdfast.service.errors import LimitReached
from holdfast.service.host.admin_keys import HostCall, HostCaller, note_call
from holdfast.service.host.records import write_some_records
from holdfast.service.identities.providers import Providers
from holdfast.service.instance.capacity import capacity_of, open_files_max
from holdfast.service.instance.home import Instance
from holdfast.service.metrics import InstanceCollector
from holdfast.service.people.callers import Caller, key_used
from holdfast.service.people.operators import OperatorCaller
from holdfast.service.people.sessions import SEEN_EVERY_NS, session_seen
from holdfast.service.preview.apart import AT_ONCE_MAX as PREVIEWS_AT_ONCE_MAX
from holdfast.web.connections import Connections
from holdfast.web.download_audit import DownloadAudit
from holdfast.web.http.addresses import Addresses
from holdfast.web.http.errors import UNAVAILABLE_RETRY_SECONDS, ApiError, keep_calm
from holdfast.web.http.pace import LargeBuffers
from holdfast.web.http.request import HOST_ID_SEGMENT, path_segment
from holdfast.web.http.request_metrics import RequestMetrics
from holdfast.web.http.throttle import Throttle
from holdfast.web.memory import Memory
from holdfast.web.places import Places
from holdfast.web.store_watch import StoreWatch

P = ParamSpec("P")
T = TypeVar("T")

CALL_THREADS = 8
STREAM_THREADS = 8
STREAM_RETRY_SECONDS = 30

OUTSIDE_THREADS = 4
OUTSIDE_AT_ONCE_MAX = 2
"""Of one account: calls that wait for other people's servers."""

BROWSING_THREADS = 2
BROWSING_AT_ONCE_MAX = 4
"""Of one account: lists of folders, differences and finds."""

PREVIEWS_WAITING_MAX = 8
"""Of one account: previews that run or wait."""

HASHING_THREADS = 2
"""A hash of a password takes 64 MiB and a core for 0.1 s: log-ins must not eat the machine."""
HASHING_WAITING_MAX = 32

PROVIDER_THREADS = 8
PROVIDER_AT_ONCE_MAX = 4
"""Of one provider: a slow one keeps nobody from signing in by another."""
PROVIDER_WAITING_MAX = 32

NOTED_MAX = 10_000

HOST_PATH_CHARS_MAX = 1000
"""At most this much of a path stands in the audit."""

UPLOADS_AT_ONCE_MAX = 4
"""Of one account: each holds disk until its import is over."""


class Context:
    """One per process; made by `create_app`."""

    def __init__(self, instance: Instance, now: Callable[[], float] = time.monotonic) -> None:
        self.instance = instance
        self.now = now
        self.addresses = Addresses(instance.config.proxy_networks)
        """Tells whose a request is, for caps, throttles and the log."""
        self.log: structlog.typing.FilteringBoundLogger = structlog.get_logger("holdfast.web")
        self.calls = ThreadPoolExecutor(CALL_THREADS, thread_name_prefix="call")
        self.streams = ThreadPoolExecutor(STREAM_THREADS, thread_name_prefix="stream")
        self.outside = ThreadPoolExecutor(OUTSIDE_THREADS, thread_name_prefix="outside")
        self.browsing = ThreadPoolExecutor(BROWSING_THREADS, thread_name_prefix="browse")
        self.browsing_calls: Counter[str] = Counter()
        """The looks of each account into backups that run or wait."""
        self.previews = ThreadPoolExecutor(PREVIEWS_AT_ONCE_MAX, thread_name_prefix="preview")
        self.previews_of: Counter[str] = Counter()
        """The previews of each account that run or wait."""
        self.preview_locks: dict[str, asyncio.Lock] = {}
        self.hashing = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="hash")
        self.hashing_calls = 0
        """Passwords that are checked or wait for it."""
        self.providers, self.provider_threads = Providers(instance), ProviderThreads()
        self.password_throttle = Throttle(burst=10, per_second=1 / 60)
        self.log_in_throttle = Throttle(burst=30, per_second=1 / 20)
        """By person, and by address: passwords that were tried, until one was right."""
        self.code_throttle = Throttle(burst=5, per_second=1 / 300)
        """By person: codes of a second factor. Of the million, three are right at a time."""
        self.mail_throttle = Throttle(burst=3, per_second=1 / 600)
        """By e-mail address: mails with a link for a new password."""
        self.outside_throttle = Throttle(burst=20, per_second=0.2)
        """By account: every new webhook counts, as each looks a name up or starts a process."""
        self.key_throttle = Throttle(burst=100, per_second=1.0)
        self.link_throttle = Throttle(burst=600, per_second=10.0)
        self.capacity = capacity_of(instance.config, open_files_max())
        """The connections and downloads that fit."""
        self.places = Places(self.capacity.downloads, instance.config.downloads_per_address_max, now)
        """The running downloads."""
        self.connections = Connections(
            self.capacity.connections, instance.config.connections_per_address_max, lambda: self.addresses, now
        )
        self.large_buffers = LargeBuffers()
        self.memory = Memory(self.calls)
        self.uploads: Counter[str] = Counter()
        """The running uploads of each account."""
        self.request_metrics = RequestMetrics(lambda: self.in_flight)
        """Counts of the requests, for `/metrics`."""
        self.statistics = CollectorRegistry()
        """All that `/metrics` shows: the instance, and what this process did."""
        self.statistics.register(InstanceCollector(instance))
        self.statistics.register(self.request_metrics)
        self.outside_calls: Counter[str] = Counter()
        """The calls of each account that wait for other people's servers."""
        self.download_audit = DownloadAudit(instance)
        """The downloads on their way into the audit; `WebServer` starts it."""
        self.store_watch = StoreWatch(instance)
        """The store, as last seen; `WebServer` starts it."""
        self._noted: dict[str, int] = {}
        """By key or session: the hour or minute of its last use that was recorded, nanoseconds."""
        self.draining = False
        """Set when the server was told to stop: what runs may finish, what comes is answered 503."""
        self.in_flight = 0
        """Requests whose answer is not finished yet."""

    async def call(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something of `service/` in a thread. At most `CALL_THREADS` run at once, the others queue."""
        return await _run_in(self.calls, operation, *args, **kwargs)

    async def call_outside(self, account_id: str, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run, for an account, what waits for other people's servers. Raises ApiError when it has too many such."""
        with _one_more(self.outside_calls, account_id, OUTSIDE_AT_ONCE_MAX, "tests or new webhooks"):
            return await _run_in(self.outside, operation, *args, **kwargs)

    async def call_browsing(self, account_id: str, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run, for an account, what may look through whole backups. Raises ApiError when it has too many such.

        It has threads of its own: however long it takes, other calls do not wait for it.
        """
        with _one_more(self.browsing_calls, account_id, BROWSING_AT_ONCE_MAX, "looks into backups"):
            return await _run_in(self.browsing, operation, *args, **kwargs)

    async def call_apart(self, account_id: str, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what makes a preview, for an account one at a time; who waits holds no thread. Raises LimitReached."""
        if self.previews_of[account_id] >= PREVIEWS_WAITING_MAX:
            raise LimitReached("KEEP_CALM", "Too many previews of this account are under way; wait some seconds.", 5)
        self.previews_of[account_id] += 1
        lock = self.preview_locks.setdefault(account_id, asyncio.Lock())
        try:
            async with lock:
                return await _run_in(self.previews, operation, *args, **kwargs)
        finally:
            self.previews_of[account_id] -= 1
            if not self.previews_of[account_id]:
                del self.previews_of[account_id], self.preview_locks[account_id]

    async def call_hashing(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what hashes a password. Raises ApiError when too many wait for that."""
        if self.hashing_calls >= HASHING_WAITING_MAX:
            raise keep_calm(UNAVAILABLE_RETRY_SECONDS, "Too many people sign in at this moment")
        self.hashing_calls += 1
        try:
            return await _run_in(self.hashing, operation, *args, **kwargs)
        finally:
            self.hashing_calls -= 1

    async def call_provider(self, name: str, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what asks a provider, by its name in the configuration. Raises ApiError when too many wait for it."""
        return await self.provider_threads.run(name, operation, *args, **kwargs)

    def refuse_after_failure(self, throttle: Throttle, scope: Scope, refusal: ApiError) -> ApiError:
        """The error for a failed attempt: `refusal`, or KEEP_CALM when the address had too many of them."""
        address = self.addresses.capped(scope)
        seconds = 0.0 if address is None else throttle.attempt_failed(address, self.now())
        return keep_calm(seconds) if seconds else refusal

    def count_outside(self, account_id: str, complaint: str) -> None:
        """Count what an account has sent to other people's servers. Raises ApiError (KEEP_CALM) for too many."""
        seconds = self.outside_throttle.attempt_failed(account_id, self.now())
        if seconds:
            raise keep_calm(seconds, complaint)

    @contextmanager
    def one_more_upload(self, account_id: str) -> Iterator[None]:
        """Count an upload of an account while it runs. Raises ApiError when it has too many."""
        with _one_more(self.uploads, account_id, UPLOADS_AT_ONCE_MAX, "uploads"):
            yield

    def note_key_used(self, caller: Caller) -> None:
        """Record the hour of a key's use off the request's path, once an hour."""
        key_id, hour = caller.key_id, caller.unnoted_hour
        if key_id is not None and hour is not None and self._is_unnoted(key_id, hour):
            with suppress(RuntimeError):  # the server ends
                self.calls.submit(key_used, self.instance, key_id, hour)

    def note_session_seen(self, caller: Caller | OperatorCaller) -> None:
        """Record a use of a session off the request's path, once a minute."""
        session_id, ends_at = caller.session_id, caller.unnoted_until
        if session_id is not None and ends_at is not None:
            now_ns = self.instance.clock.now_ns()
            if self._is_unnoted(session_id, now_ns - now_ns % SEEN_EVERY_NS):
                with suppress(RuntimeError):  # the server ends
                    self.calls.submit(session_seen, self.instance, session_id, ends_at)

    def _is_unnoted(self, used_id: str, period: int) -> bool:
        """True for the first use in a period (the nanoseconds of its start), which is then noted."""
        if self._noted.get(used_id) == period:
            return False
        if len(self._noted) >= NOTED_MAX:
            self._noted.clear()
        self._noted[used_id] = period
        return True

    def note_host_call(self, host: HostCaller, scope: Scope, account_id: str | None) -> None:
        """Have a call of the host entered in the audit, off the request's path."""
        path = scope["raw_path"].decode("latin-1")[:HOST_PATH_CHARS_MAX]
        call = HostCall(str(scope.get("method")), path, account_id, _named(scope))
        with suppress(RuntimeError):  # the server ends
            self.calls.submit(note_call, self.instance, host, call)

    def write_records(self, account_ids: list[str]) -> None:
        """Have the records of accounts written, some at a time, so that no call waits for all of them."""

        def write() -> None:
            write_some_records(self.instance, account_ids)
            self.write_records(account_ids)

        if account_ids:
            with suppress(RuntimeError):  # the server ends; the next start of the jobs writes the rest
                self.calls.submit(write)

    def require_store(self) -> None:
        """Raise Unavailable while the store is not there, or is another one."""
        if self.store_watch.refusal is not None:
            raise self.store_watch.refusal

    def close(self) -> None:
        """Release the threads; what runs in them ends by itself."""
        self.store_watch.stop()
        self.download_audit.stop()
        self.calls.shutdown(wait=False, cancel_futures=True)
        self.hashing.shutdown(wait=False, cancel_futures=True)
        self.provider_threads.threads.shutdown(wait=False, cancel_futures=True)
        self.streams.shutdown(wait=False)
        self.browsing.shutdown(wait=False, cancel_futures=True)
        self.outside.shutdown(wait=False, cancel_futures=True)
        self.previews.shutdown(wait=False, cancel_futures=True)


class ProviderThreads:
    """The threads that wait for sites that sign people in."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(PROVIDER_THREADS, thread_name_prefix="provider")
        self._calls: Counter[str] = Counter()
        """By provider: the calls that run or wait."""
        self._places: dict[str, asyncio.Semaphore] = {}

    async def run(self, name: str, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation for a provider. Raises ApiError when too many wait for it."""
        if self._calls[name] >= PROVIDER_WAITING_MAX:
            raise keep_calm(UNAVAILABLE_RETRY_SECONDS, "Too many people sign in at this moment")
        self._calls[name] += 1
        try:
            async with self._places.setdefault(name, asyncio.Semaphore(PROVIDER_AT_ONCE_MAX)):
                return await _run_in(self.threads, operation, *args, **kwargs)
        finally:
            self._calls[name] -= 1


async def _run_in(threads: ThreadPoolExecutor, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run an operation in a thread, in the context of the request: it speaks the request's language there too."""
    run = partial(copy_context().run, operation, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(threads, run)


def _named(scope: Scope) -> tuple[str, str] | None:
    """Return `accounts` or `apps` and the external id, of a host's path that names one."""
    start, _, rest = scope["raw_path"].partition(b"/v3/admin/")
    kind, _, named = rest.partition(b"/")
    if start or kind not in (b"accounts", b"apps") or not named:
        return None
    return kind.decode("ascii"), path_segment(scope, HOST_ID_SEGMENT)


@contextmanager
def _one_more(running: Counter[str], account_id: str, most: int, what: str) -> Iterator[None]:
    if running[account_id] >= most:
        raise keep_calm(STREAM_RETRY_SECONDS, f"{most} {what} of this account run already")
    running[account_id] += 1
    try:
        yield
    finally:
        running[account_id] -= 1
        if not running[account_id]:
            del running[account_id]
