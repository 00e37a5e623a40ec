"""Downloads in the audit: one entry for all requests of one caller and address for one backup within ten minutes.

Term: a *window* is those ten minutes: it begins with a request and is entered, and its bytes are brought up to date, by
a thread of its own, at most once a second. It must never have a request wait for the catalog, or grow with the
number of links that are opened.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from holdfast.catalog.records import Actor
from holdfast.service.instance.home import Instance
from holdfast.service.people.audit import Change, record_downloads
from holdfast.units import SECOND_NS

WINDOW_NS = 600 * SECOND_NS
FLUSH_SECONDS = 1.0
WINDOWS_MAX = 10_000
WAITING_MAX = 20_000
"""Of windows that are over and not entered yet, as the catalog cannot be reached; beyond it the oldest are lost."""

PATHS_MAX = 20
"""At most this many paths of one window are named."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Whose request it is, and for what. `format`: of a whole backup; empty for files of one."""

    by: Actor
    account_id: str
    app_id: str
    backup_id: str
    format: str = ""


@dataclass(slots=True, eq=False)
class Window:
    """The requests of one caller for one backup. Used on the event loop; the thread only reads it."""

    of: Downloaded
    began_at: int
    sent: int = 0
    requests: int = 0
    sending: int = 0
    """Answers that are on their way."""
    paths: set[str] = field(default_factory=set)
    seq: int | None = None
    entered: tuple[int, int] = (0, 0)
    """Bytes and requests as they were entered."""

    @property
    def is_entered(self) -> bool:
        """True if the catalog has all of it."""
        return self.entered == (self.sent, self.requests)

    def change(self, sent: int, requests: int) -> Change:
        """Return its entry, with the counts that are given."""
        of = self.of
        data: dict[str, object] = {"bytes": sent, "requests": requests}
        if of.format:
            data["format"] = of.format
        else:
            data["paths"] = sorted(self.paths.copy())
        action = "backup.downloaded" if of.format else "content.downloaded"
        return Change(of.by, action, of.account_id, of.app_id, of.backup_id, data=data)


class DownloadAudit:
    """The windows of one web process."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._windows: dict[Downloaded, Window] = {}
        self._over: list[Window] = []
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._stopping = threading.Event()
        self._counting = threading.Event()
        """There may be something that was not entered."""
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._windows) + len(self._over)

    def start(self) -> None:
        """Begin to enter what comes."""
        self._thread = threading.Thread(target=self._run, name="download-audit", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Enter what is left, and end."""
        self._stopping.set()
        self._counting.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.store()

    @contextmanager
    def counted(self, of: Downloaded, path: str = "") -> Iterator[Window]:
        """Count a request while it is answered; its bytes are added to the window that is given."""
        window = self._request(of, path)
        window.sending += 1
        try:
            yield window
        finally:
            window.sending -= 1

    def _request(self, of: Downloaded, path: str) -> Window:
        now_ns = self._instance.clock.now_ns()
        with self._lock:
            window = self._windows.get(of)
            if window is not None and not 0 <= now_ns - window.began_at < WINDOW_NS:
                self._end(window)
                window = None
            if window is None:
                if len(self._windows) >= WINDOWS_MAX:
                    self._end(next(iter(self._windows.values())))  # the oldest
                window = self._windows[of] = Window(of, now_ns)
            window.requests += 1
            self._counting.set()
            if path and len(window.paths) < PATHS_MAX:
                window.paths.add(path)
            return window

    def store(self) -> None:
        """Enter what has changed since it was entered."""
        with self._storing:
            now_ns = self._instance.clock.now_ns()
            with self._lock:
                for window in [w for w in self._windows.values() if not 0 <= now_ns - w.began_at < WINDOW_NS]:
                    self._end(window)
                due = [w for w in (*self._over, *self._windows.values()) if not w.is_entered]
                counts = [(w.sent, w.requests) for w in due]
                changes = [w.change(*c) for w, c in zip(due, counts, strict=True)]
            if due:
                rows = [(w.seq, change, w.began_at) for w, change in zip(due, changes, strict=True)]
                numbers = record_downloads(self._instance, rows)
                if numbers is None:
                    return
                for window, count, seq in zip(due, counts, numbers, strict=True):
                    window.seq, window.entered = seq, count
            with self._lock:
                # A window that is over may still have a long answer on its way.
                self._over = [w for w in self._over if not w.is_entered or w.sending]

    def _end(self, window: Window) -> None:
        del self._windows[window.of]
        self._over.append(window)
        if len(self._over) > WAITING_MAX:
            del self._over[0]

    def _run(self) -> None:
        """Enter at most once a second, and sleep while nobody downloads."""
        while self._counting.wait() and not self._stopping.wait(FLUSH_SECONDS):
            self._counting.clear()
            try:
                self.store()
            except Exception:
                _log.exception("downloads cannot be entered into the audit now")
            if self._is_left():
                self._counting.set()

    def _is_left(self) -> bool:
        with self._lock:
            return any(w.sending or not w.is_entered for w in (*self._over, *self._windows.values()))
