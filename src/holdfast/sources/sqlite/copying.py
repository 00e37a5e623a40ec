"""Running the copiers: one for each owner; sends them requests and waits with time limits.

A copier holds a database while this process and its workers read the pages, or copies it where that cannot be.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import msgspec

from holdfast.isolation import ROOT, UMASK, isolated
from holdfast.sources.sqlite.outcomes import Answer, Checked, Copied, CopierFailed, Held, Refused
from holdfast.sources.sqlite.room import Room
from holdfast.sources.sqlite.shared_time import SLOWEST_BYTES_PER_SECOND, SharedTime
from holdfast.vault.control import Control
from holdfast.vault.paths import shown

GRACE_SECONDS = 60.0
ANSWER_SECONDS = 5.0
"""A copier breaks off by itself; it is ended when it says nothing for this much longer."""

POLL_MILLISECONDS = 200
ANSWER_BYTES_MAX = 64 * 1024


_answer = msgspec.json.Decoder(Answer)
_T = TypeVar("_T", Copied, Held)


def copy_name(path: bytes) -> str:
    """Name of a database's copy."""
    return blake2b(path, digest_size=16).hexdigest()


class Copying:
    """Makes copies of databases below one folder in `scratch/<uid>/`. Use as a context; leaving it ends all copiers."""

    def __init__(
        self,
        root: int,
        scratch: Path,
        *,
        time: SharedTime,
        control: Control,
        room: Room | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`root`: a descriptor of the folder. `time`: of all databases. `room`: for copies; None: no copies."""
        self._root = root
        self._scratch = scratch
        self._time = time
        self._room = room
        self._control = control
        self._clock = clock
        self._copiers: dict[tuple[int, int], _Copier] = {}

    def __enter__(self) -> Copying:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def hold(self, path: bytes, size: int, owner: tuple[int, int], *, is_wal: bool) -> Held | Refused:
        """Have a read transaction begun on a database, with the rights of `owner` (uid, gid).

        `size`: its bytes on the disk, with its log. `is_wal`: True if its header says that it has one. Raises
        Cancelled, CopierFailed.
        """
        self._time.grow(size)

        def ask(copier: _Copier, seconds: float, wait_seconds: float) -> Held | Refused:
            return copier.hold(path, owner, seconds, wait_seconds, is_wal=is_wal)

        return self._within(path, size, owner, ask)

    def holds(self, held: Held) -> bool:
        """Return True if a transaction was not released yet, and its copier not ended."""
        copier = self._copiers.get(held.owner)
        return copier is not None and copier.holds(held.number)

    def release(self, held: Held) -> bool:
        """End a transaction, after its check; return True if it lasted until now. Raises Cancelled."""
        if not self.holds(held):
            return False  # its copier had to be ended
        try:
            with self._time.spending():
                return self._copiers[held.owner].release(held, self._time)
        except (_TooSlow, CopierFailed) as failure:  # its owner may stop or kill it: the identity is theirs
            self._copiers.pop(held.owner).close()
            if isinstance(failure, _TooSlow):
                self._time.was_slow()
            return False

    def copy(self, path: bytes, size: int, owner: tuple[int, int], *, is_wal: bool = False) -> Copied | Refused:
        """Copy one database; arguments and errors as of `hold`."""
        assert self._room is not None
        self._time.grow(size)
        reserve_bytes = self._room.reserve_bytes

        def ask(copier: _Copier, seconds: float, wait_seconds: float) -> Copied | Refused:
            return copier.copy(path, size, seconds, wait_seconds, reserve_bytes, is_wal=is_wal)

        with ExitStack() as stack:
            try:
                if not stack.enter_context(self._room.promised(size)):
                    return Refused("no_room", f"the copy needs {size:,} bytes")
            except OSError as error:
                return Refused("no_room", f"no room could be reserved ({error.strerror})")
            return self._within(path, size, owner, ask)

    def _within(
        self, path: bytes, size: int, owner: tuple[int, int], ask: Callable[[_Copier, float, float], _T | Refused]
    ) -> _T | Refused:
        """Have a copier do something with a database, within the time that there is for it."""
        if not self._time.seconds_left:
            return Refused("busy", "the databases before it took all the time that a backup has for them")
        with self._time.spending():
            wait_seconds = self._time.wait_seconds
            seconds = min(self._time.seconds_left, wait_seconds * 2 + GRACE_SECONDS + size / SLOWEST_BYTES_PER_SECOND)
            try:
                outcome = ask(self._copier(owner), seconds, wait_seconds)
            except _TooSlow:
                self._copiers.pop(owner).close()
                self._time.was_slow()
                return Refused("unreadable", f"copying it took more than {seconds:.0f} seconds")
            if isinstance(outcome, Refused) and outcome.kind == "busy":
                self._time.waited_in_vain()
            return outcome

    def folder(self, owner: tuple[int, int]) -> Path:
        """Return the folder of an owner's copies, as the copier reaches it."""
        self._copier(owner)
        return self._scratch / str(owner[0])

    def has_room(self, size: int) -> AbstractContextManager[bool]:
        """Reserve room for a file of `size` bytes while this is open; yields False where there is none."""
        assert self._room is not None
        return self._room.promised(size)

    def check(self, path: bytes, size: int, owner: tuple[int, int], *, deep: bool = True) -> None:
        """Begin to check a file that is at `copy_path(path, owner)`. `deep`: its indexes too. Raises as `copy`."""
        self._copier(owner).check(path, size, deep=deep)

    def check_held(self, held: Held, size: int) -> None:
        """Begin to check a database that is held; `release` waits for it."""
        self._copiers[held.owner].check_held(held, size)

    def verdicts(self) -> list[Checked]:
        """Wait for all checks of copies; return their results. Raises Cancelled, CopierFailed."""
        out = []
        with self._time.spending():
            for copier in self._copiers.values():
                out += copier.verdicts(self._time)
        return out

    def close(self) -> None:
        """End all copiers."""
        for copier in self._copiers.values():
            copier.close()
        self._copiers = {}

    def copy_path(self, path: bytes, owner: tuple[int, int]) -> Path:
        """Return the place of a database's copy."""
        return self._scratch / str(owner[0]) / copy_name(path)

    def _copier(self, owner: tuple[int, int]) -> _Copier:
        if owner not in self._copiers:
            folder = self._scratch / str(owner[0])
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(folder, *owner)
            self._copiers[owner] = _Copier(self._root, folder, owner, self._control, self._clock)
        return self._copiers[owner]


class _TooSlow(Exception):
    """It gave no answer in time, or used the processor for too long."""


class _Copier:
    """One copier process."""

    def __init__(
        self,
        root: int,
        folder: Path,
        owner: tuple[int, int],
        control: Control,
        clock: Callable[[], float],
    ) -> None:
        self._control = control
        self._clock = clock
        self._copied: dict[int, tuple[bytes, int]] = {}
        """Path and size of each database whose check is awaited, by the request's number."""
        self._holding: set[int] = set()
        self._checked: list[Checked] = []
        self._count = 0
        self._held = b""
        copies = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                isolated("holdfast.sources.sqlite.copier", *map(str, (root, copies, *owner))),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(root, copies),
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},  # nothing of ours: the master key may be in it
                cwd=ROOT,
                umask=UMASK,
                start_new_session=True,
            )
        finally:
            os.close(copies)

    def holds(self, number: int) -> bool:
        return number in self._holding

    def hold(
        self, path: bytes, owner: tuple[int, int], seconds: float, wait_seconds: float, *, is_wal: bool
    ) -> Held | Refused:
        number = self._ask("hold", path, wait_seconds=wait_seconds, seconds=seconds, is_wal=is_wal)
        got = self._answer_to(number, "held", self._clock() + seconds + ANSWER_SECONDS, path)
        if isinstance(got, Refused):
            return got
        self._holding.add(number)
        files = frozenset(got.files)
        return Held(path, owner, number, got.page_size, got.pages, got.is_wal, got.is_shared, files)

    def release(self, held: Held, time: SharedTime) -> bool:
        while held.number in self._copied:
            size = self._copied[held.number][1]
            seconds = min(GRACE_SECONDS + size / SLOWEST_BYTES_PER_SECOND, time.seconds_left + ANSWER_SECONDS)
            self._note(self._answer(self._clock() + seconds, held.path))
        self._holding.remove(held.number)
        self._send({"do": "release", "number": held.number})
        got = self._answer_to(held.number, "released", self._clock() + ANSWER_SECONDS, held.path)
        return not isinstance(got, Refused) and got.is_still

    def copy(
        self,
        path: bytes,
        size: int,
        seconds: float,
        wait_seconds: float,
        reserve_bytes: int,
        *,
        is_wal: bool,
    ) -> Copied | Refused:
        limits = {"wait_seconds": wait_seconds, "seconds": seconds, "reserve_bytes": reserve_bytes}
        number = self._ask("copy", path, name=copy_name(path), is_wal=is_wal, **limits)
        got = self._answer_to(number, "copied", self._clock() + seconds + ANSWER_SECONDS, path)
        if isinstance(got, Refused):
            return got
        self.check(path, got.size, deep=False)
        return Copied(got.size)

    def check(self, path: bytes, size: int, *, deep: bool) -> None:
        number = self._ask("check", path, name=copy_name(path), deep=deep)
        self._copied[number] = path, size

    def check_held(self, held: Held, size: int) -> None:
        self._send({"do": "check held", "number": held.number, "size": size})
        self._copied[held.number] = held.path, size

    def _ask(self, do: str, path: bytes, **values: object) -> int:
        """Send a request about a database; return its number."""
        self._count += 1
        self._send({"do": do, "number": self._count, "path": path.hex(), **values})  # names are bytes, JSON has none
        return self._count

    def _answer_to(self, number: int, event: str, deadline: float, path: bytes) -> Answer | Refused:
        """Return the answer to a request, and note the results of checks before it. Raises as `_answer`."""
        while True:
            answer = self._answer(deadline, path)
            if answer.event == "checked":
                self._note(answer)
            elif answer.number == number and answer.event == "refused":
                return Refused(answer.kind, answer.why)
            elif answer.number == number and answer.event == event:
                return answer
            else:
                raise self._broken(answer)

    def verdicts(self, time: SharedTime) -> list[Checked]:
        """Verdicts on all copies, at the end; those that took too long are notes. Raises Cancelled, CopierFailed."""
        self._send({"do": "end", "number": 0})
        while True:
            path, size = next(iter(self._copied.values()), (b"", 0))
            seconds = min(GRACE_SECONDS + size / SLOWEST_BYTES_PER_SECOND, time.seconds_left + ANSWER_SECONDS)
            try:
                answer = self._answer(self._clock() + seconds, path)
            except _TooSlow:
                self.close()
                late = "it could not be checked in time"
                return [*self._checked, *(Checked(path, None, late) for path, _ in self._copied.values())]
            if answer.event == "checked":
                self._note(answer)
            elif answer.event == "end" and not self._copied:
                return self._checked
            else:
                raise self._broken(answer)

    def close(self) -> None:
        """End it, whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):
                stream.close()

    def _note(self, answer: Answer) -> None:
        known = self._copied.pop(answer.number, None)
        if known is None:
            raise self._broken(answer)
        self._checked.append(Checked(known[0], answer.problem, answer.note))

    def _send(self, request: dict[str, object]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended; its last answer, or the lack of one, says more

    def _answer(self, deadline: float, path: bytes) -> Answer:
        """Return the next answer. Raises _TooSlow at the deadline, Cancelled, CopierFailed."""
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        while b"\n" not in self._held:
            self._control.check("The backup was cancelled.")
            if self._clock() > deadline:
                raise _TooSlow
            if not waiting.poll(POLL_MILLISECONDS):
                continue
            more = os.read(fd, ANSWER_BYTES_MAX)
            self._held += more
            if not more and self._process.wait() == -signal.SIGXCPU:
                raise _TooSlow
            if not more or len(self._held) > ANSWER_BYTES_MAX:
                raise CopierFailed(
                    f"SQLite's process ended unexpectedly at {shown(path)}; if this happens again, move the file away."
                )
        line, _, self._held = self._held.partition(b"\n")
        try:
            return _answer.decode(line)
        except msgspec.MsgspecError:
            raise self._broken(Answer("")) from None

    def _broken(self, answer: Answer) -> CopierFailed:
        if answer.event == "unusable":
            return CopierFailed(f"The SQLite of this Python cannot be used for backups: {answer.why}.")
        return CopierFailed("SQLite's process gave an invalid answer; take the backup again.")
