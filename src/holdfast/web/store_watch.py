"""A watch on the store: what the routes of backups answer while it is not there.

Inline on the loop no disk may be asked, so a thread reads the store's mark and leaves what it found.
"""

from __future__ import annotations

import threading

from holdfast.service.errors import Unavailable, unavailable_of
from holdfast.service.instance.home import Instance
from holdfast.service.instance.logs import FORESEEN

WATCH_SECONDS = 2.0


class StoreWatch:
    """Reads the mark every two seconds; `check` does so at once."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.refusal: Unavailable | None = None
        """The answer to whoever asks for backups; None while the store is there."""

    def start(self) -> None:
        """Check, and go on in a thread."""
        self.check()
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()

    def check(self) -> None:
        """Read the mark now."""
        try:
            self._instance.confirm_store()
        except FORESEEN as error:
            # A fault of the catalog, or of a read that may succeed next time, is for whoever meets it.
            self.refusal = unavailable_of(error)
        else:
            self.refusal = None

    def _run(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            self.check()
