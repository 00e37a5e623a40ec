"""Previews, each made in a process of its own (`process.py`)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import msgspec

from holdfast.catalog.records import App, Backup
from holdfast.isolation import ROOT, UMASK, isolated
from holdfast.schemas.apps import Ignored
from holdfast.service.errors import LimitReached
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.preview.order import IgnoredOrder, Order, Reply, RestoreOrder, error_of
from holdfast.service.restore.plan import Preview, Wanted
from holdfast.service.take.ignore_patterns import not_readable
from holdfast.sources.port import SourceError

AT_ONCE_MAX = 2
"""Of an instance; of one account it is one."""
WAIT_SECONDS = 10.0
"""At most this long a preview waits for its place."""
SECONDS_MAX = 60.0
_POLL_SECONDS = 0.05
_BUSY_SECONDS = 5


def ignored_apart(instance: Instance, app: App, patterns: Sequence[str] | None = None) -> Ignored:
    """As `preview_ignored`. Raises also LimitReached (KEEP_CALM) while others have all places."""
    try:
        reply = _run(instance, app.account_id, IgnoredOrder(app.id, None if patterns is None else tuple(patterns)))
    except SourceError as error:
        raise not_readable(error) from None
    assert reply.ignored is not None
    return reply.ignored


def restore_apart(instance: Instance, backup: Backup, target: App, wanted: Wanted) -> Preview:
    """As `preview_restore`. Raises also LimitReached (KEEP_CALM) while others have all places."""
    reply = _run(instance, target.account_id, RestoreOrder(backup.id, target.id, wanted))
    assert reply.restore is not None
    return reply.restore


def _run(instance: Instance, account_id: str, what: IgnoredOrder | RestoreOrder) -> Reply:
    """Run an order in the process. Raises LimitReached, SourceError, and what the preview raises."""
    order = Order(str(instance.home.resolve()), instance.config, what, SECONDS_MAX)
    # The master key may be in the environment, and so may settings; one thread keeps the address space small.
    ours = {name: value for name, value in os.environ.items() if name.startswith("HOLDFAST_")}
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", **ours}
    with _place(instance, account_id):
        try:
            done = subprocess.run(
                isolated("holdfast.service.preview.process"),
                input=msgspec.json.encode(order),
                stdout=subprocess.PIPE,
                timeout=SECONDS_MAX,
                env=environment,
                cwd=ROOT,
                umask=UMASK,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SourceError(
                f"Looking through the application's folder took more than {SECONDS_MAX:.0f} s; try again when its disk "
                "is less busy."
            ) from None
    try:
        reply = msgspec.json.decode(done.stdout, type=Reply)
    except msgspec.DecodeError:
        raise SourceError("Looking through the application's folder broke off; the server's log says more.") from None
    if reply.refusal is not None:
        raise error_of(reply.refusal)
    return reply


@contextmanager
def _place(instance: Instance, account_id: str) -> Iterator[None]:
    """Hold one of the places, and the account's only one. Raises LimitReached."""
    deadline = time.monotonic() + WAIT_SECONDS
    with ExitStack() as places:
        for names in ([f"preview-{account_id}"], [f"preview-{number}" for number in range(AT_ONCE_MAX)]):
            while not any(places.enter_context(held(instance, name)) for name in names):
                if time.monotonic() > deadline:
                    raise LimitReached(
                        "KEEP_CALM", "Other folders are being looked through; try again in a moment.", _BUSY_SECONDS
                    )
                time.sleep(_POLL_SECONDS)
        yield
