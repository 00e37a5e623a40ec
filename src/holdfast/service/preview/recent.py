"""Recent answers to the question what patterns leave out: a schedule that is opened again starts no process for it.

It must never tell of another folder or other patterns, of a folder for longer than `KEPT_SECONDS`, or keep more than
`KEPT_MAX`. What could not be found out is not kept.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from holdfast.catalog.records import App
from holdfast.schemas.apps import Ignored
from holdfast.service.instance.home import Instance
from holdfast.service.preview.apart import ignored_apart

KEPT_SECONDS = 60.0
KEPT_MAX = 256
_Key = tuple[str, str, str, tuple[str, ...]]

_lock = threading.Lock()
_kept: OrderedDict[_Key, tuple[float, Ignored]] = OrderedDict()


def ignored_recently(instance: Instance, app: App, now: Callable[[], float] = time.monotonic) -> Ignored:
    """Return what an application's patterns leave out, as it was found within the last minute, or else as it is."""
    key = (str(instance.home), app.id, app.path, tuple(app.settings.ignore))
    with _lock:
        kept = _kept.get(key)
    if kept is not None and now() - kept[0] < KEPT_SECONDS:
        return kept[1]
    began = now()
    found = ignored_apart(instance, app, app.settings.ignore)
    with _lock:
        _kept[key] = began, found
        _kept.move_to_end(key)
        while len(_kept) > KEPT_MAX:
            _kept.popitem(last=False)
    return found
