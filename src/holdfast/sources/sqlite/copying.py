"""Running the copiers: one for each owner; sends them requests and waits with time limits."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec

from holdfast.isolation import ROOT, UMASK, isolated_file
from holdfast.native.library import LIBRARY
from holdfast.sources.sqlite.room import Room
from holdfast.sources.sqlite.shared_time import SLOWEST_BYTES_PER_SECOND, SharedTime
from holdfast.vault.control import Control
from holdfast.vault.errors import SourceFailed
from holdfast.vault.paths import shown

GRACE_SECONDS = 60.0
ANSWER_SECONDS = 5.0
"""A copier breaks off by itself; it is ended when it says nothing for this much longer."""

POLL_MILLISECONDS = 200
ANSWER_BYTES_MAX = 64 * 1024
_PROGRAM = Path(__file__).with_name("copier.py")


class Answer(msgspec.Struct):
    """One line of a copier's output."""

    event: str
    number: int = 0
    size: int = 0
    kind: str = ""
    why: str = ""
    problem: str | None = None
    note: str | None = None


_answer = msgspec.json.Decoder(Answer)


class CopierFailed(SourceFailed):
    """SQLite cannot be used on this machine, or its process ended."""

    code = "SQLITE_UNUSABLE"


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy was made. `size`: in bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Refused:
    """No copy. `kind`: busy, unreadable, damaged, gone or no_room; `why`: the rest of a sentence."""

    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of checking a copy: `problem` None when it is sound; `note`: a further note for its owner."""

    path: bytes
    problem: str | None
    note: str | None


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

    def copy(self, path: bytes, size: int, owner: tuple[int, int]) -> Copied | Refused:
        """Copy one database with the rights of `owner` (uid, gid). `size`: its bytes on the disk, with its log.

        Raises Cancelled, CopierFailed.
        """
        assert self._room is not None
        self._time.grow(size)
        if not self._time.seconds_left:
            return Refused("busy", "the databases before it took all the time that a backup has for them")
        with ExitStack() as stack:
            stack.enter_context(self._time.spending())
            try:
                if not stack.enter_context(self._room.promised(size)):
                    return Refused("no_room", f"the copy needs {size:,} bytes")
            except OSError as error:
                return Refused("no_room", f"no room could be reserved ({error.strerror})")
            return self._copy(path, size, owner, self._room.reserve_bytes)

    def _copy(self, path: bytes, size: int, owner: tuple[int, int], reserve_bytes: int) -> Copied | Refused:
        wait_seconds = self._time.wait_seconds
        seconds = min(self._time.seconds_left, wait_seconds * 2 + GRACE_SECONDS + size / SLOWEST_BYTES_PER_SECOND)
        try:
            outcome = self._copier(owner).copy(path, seconds, wait_seconds, reserve_bytes)
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

    def check(self, path: bytes, size: int, owner: tuple[int, int]) -> None:
        """Check a file that is already at `copy_path(path, owner)`, more deeply than a copy. Raises as
        `copy`."""
        self._copier(owner).check(path, size)

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
        self._checked: list[Checked] = []
        self._count = 0
        self._held = b""
        copies = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                isolated_file(str(_PROGRAM), *map(str, (root, copies, *owner)), str(LIBRARY)),
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

    def copy(self, path: bytes, seconds: float, wait_seconds: float, reserve_bytes: int) -> Copied | Refused:
        self._count += 1
        number = self._count
        request = {
            "number": number,
            "path": path.hex(),  # names are bytes, and JSON has none
            "name": copy_name(path),
            "wait_seconds": wait_seconds,
            "seconds": seconds,
            "reserve_bytes": reserve_bytes,
        }
        self._send(request)
        deadline = self._clock() + seconds + ANSWER_SECONDS
        while True:
            answer = self._answer(deadline, path)
            if answer.event == "checked":
                self._note(answer)
            elif answer.number == number and answer.event == "refused":
                return Refused(answer.kind, answer.why)
            elif answer.number == number and answer.event == "copied":
                self._copied[number] = path, answer.size
                return Copied(answer.size)
            else:
                raise self._broken(answer)

    def check(self, path: bytes, size: int) -> None:
        self._count += 1
        self._copied[self._count] = path, size
        self._send({"number": self._count, "name": copy_name(path), "check": True})

    def verdicts(self, time: SharedTime) -> list[Checked]:
        """Verdicts on all copies, at the end; those that took too long are notes. Raises Cancelled, CopierFailed."""
        self._send({"end": True})
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
