"""Running the copiers: one for each owner; sends them requests and waits with time limits."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec

from holdfast.isolation import ROOT, UMASK, isolated_file
from holdfast.native.library import LIBRARY
from holdfast.vault.control import Control
from holdfast.vault.errors import SourceFailed
from holdfast.vault.paths import shown

SLOWEST_BYTES_PER_SECOND = 4 * 1024 * 1024
"""At least this fast must a copier be (after waiting for locks), or it is ended: the file must be faulty."""

GRACE_SECONDS = 60.0
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
        wait_seconds: float,
        control: Control,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`root`: a descriptor of the folder. `wait_seconds`: patience with a database that somebody has locked."""
        self._root = root
        self._scratch = scratch
        self._wait_seconds = wait_seconds
        self._control = control
        self._clock = clock
        self._copiers: dict[tuple[int, int], _Copier] = {}

    def __enter__(self) -> Copying:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def copy(self, path: bytes, size: int, owner: tuple[int, int]) -> Copied | Refused:
        """Copy one database of about `size` bytes with the rights of `owner` (uid, gid).

        Raises Cancelled, CopierFailed.
        """
        limit = self._wait_seconds * 2 + GRACE_SECONDS + size / SLOWEST_BYTES_PER_SECOND
        try:
            return self._copier(owner).copy(path, size, limit, self._wait_seconds)
        except _TooSlow:
            self._copiers.pop(owner).close()
            return Refused("unreadable", f"copying it took more than {limit:.0f} seconds")

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
        for copier in self._copiers.values():
            try:
                out += copier.verdicts()
            except _TooSlow as error:
                out.append(Checked(error.path, "checking it took too long", None))
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
    def __init__(self, path: bytes) -> None:
        super().__init__()
        self.path = path


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

    def copy(self, path: bytes, size: int, limit: float, wait_seconds: float) -> Copied | Refused:
        self._count += 1
        number = self._count
        hexed = path.hex()  # names are bytes, and JSON has none
        self._send({"number": number, "path": hexed, "name": copy_name(path), "wait_seconds": wait_seconds})
        deadline = self._clock() + limit
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

    def verdicts(self) -> list[Checked]:
        """Verdicts on all copies, at the end. Raises _TooSlow, CopierFailed."""
        self._send({"end": True})
        while True:
            path, size = next(iter(self._copied.values()), (b"", 0))
            answer = self._answer(self._clock() + GRACE_SECONDS + size / SLOWEST_BYTES_PER_SECOND, path)
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
                raise _TooSlow(path)
            if not waiting.poll(POLL_MILLISECONDS):
                continue
            more = os.read(fd, ANSWER_BYTES_MAX)
            self._held += more
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
