"""Hooks: the operator's commands, one before the application is read and one after.

The application is paused between them (a game server that does not save, a queue that waits). So once `before` has
started, `after` must run, exactly once for each `before`: when everything is read, on a failure, a cancel or SIGTERM,
and, by a mark in `run/` that outlives the process, at the next start after a `kill -9`. Only if the process dies while
`after` itself runs does it run again.

The commands are run by `/bin/sh` with the rights of this process, and never in the application's folder, whose owner is
hostile and could put a `./flush.sh` there. Of our environment they get only the path and the home. Their output is for
the operator only (`backup_log`).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.records import IMPORTED, Actor, App, Backup, Hook, Warned
from holdfast.isolation import ROOT, UMASK, search_path
from holdfast.service.errors import Invalid
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.apps import get_app
from holdfast.service.take.log import BackupLog
from holdfast.stores.durable import write_durably
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import Cancelled, SourceFailed

COMMAND_BYTES_MAX = 16 * 1024
TIMEOUT_SECONDS_MAX = 24 * 3600
OUTPUT_BYTES_MAX = 64 * 1024
"""At most this many of the last bytes that a command prints are stored."""
TERM_SECONDS = 5.0
"""A command over its time gets SIGTERM, and this much later SIGKILL."""
POLL_SECONDS = 0.05
DRAIN_SECONDS = 1.0
"""The wait for a command's last output after its end: a process that it left behind may hold the pipe."""

_log = logging.getLogger(__name__)


class HookFailed(SourceFailed):
    """The command before the copy did not do its work."""

    code = "HOOK_FAILED"


class Ended(msgspec.Struct, frozen=True):
    """The end of a command. `problem`: what went wrong, to go on after "it"; None: it did its work."""

    problem: str | None
    output: str
    seconds: float


class Mark(msgspec.Struct, frozen=True):
    """The facts needed to run `after` when the process that ran `before` is gone."""

    backup_id: str
    after: Hook
    environment: dict[str, str]


def set_hook(instance: Instance, app: App, when: str, hook: Hook | None, by: Actor) -> App:
    """Set the command `before` or `after` of an application, or take it away. Raises Invalid (HOOK, TIMEOUT)."""
    if when not in ("before", "after"):
        raise Invalid("hook", "A command runs before or after the copy; name one of the two.")
    if hook is not None:
        if not hook.command.strip() or "\0" in hook.command:
            raise Invalid("hook", "The command is empty or contains a zero byte; give one that /bin/sh can run.")
        try:
            size = len(hook.command.encode())
        except UnicodeEncodeError:
            raise Invalid("hook", "The command must be UTF-8; put what it does into a script, and name that.") from None
        if size > COMMAND_BYTES_MAX:
            raise Invalid("hook", f"The command has more than {COMMAND_BYTES_MAX} bytes; put it into a script.")
        if not 1 <= hook.timeout_seconds <= TIMEOUT_SECONDS_MAX:
            raise Invalid("timeout", f"The time limit must be 1 to {TIMEOUT_SECONDS_MAX} seconds.")
    change = {when: hook}
    change_settings(
        instance.catalog,
        app.id,
        lambda settings: msgspec.structs.replace(settings, **change),
        instance.clock.now_ns(),
        by,
        "hook.set",
    )
    store_record(instance, app.account_id)
    return get_app(instance, app.account_id, app.id)


def hooks_of(instance: Instance, app: App) -> tuple[Hook | None, Hook | None]:
    """Return the commands before and after the copy: the application's own, else those that the host named.

    Raises HookFailed when what the host named is configured no more: without its commands a copy may be torn.
    """
    before, after = app.settings.before, app.settings.after
    if not app.settings.hooks:
        return before, after
    named = instance.config.hooks.get(app.settings.hooks)
    if named is None:
        raise HookFailed(
            f"No hooks named {app.settings.hooks} are in holdfast.toml any more, so no copy was made; put them back, "
            "or name others for the application."
        )
    return before or named.hook(named.before), after or named.hook(named.after)


class Hooks:
    """The commands of one backup; an import, which reads nothing of the application, runs none."""

    def __init__(
        self,
        instance: Instance,
        app: App,
        backup: Backup,
        log: BackupLog,
        warnings: list[Warned],
        control: Control,
    ) -> None:
        """`warnings` gets what a person should know of `after`. Raises HookFailed, see `hooks_of`."""
        self._mark_path = instance.run / f"hook-{backup.id}.json"
        self._before, self._after = (None, None) if backup.origin == IMPORTED else hooks_of(instance, app)
        self._environment = _environment(app, backup)
        self._backup_id = backup.id
        self._log = log
        self._control = control
        self._is_due = False
        self._warnings = warnings

    @contextmanager
    def around(self) -> Iterator[None]:
        """Run `before`, and at the end `after`, unless `release` ran it already. Raises HookFailed, Cancelled."""
        state = "failed"
        try:
            self._begin()
            yield
            state = "read"
        except (Cancelled, KeyboardInterrupt, SystemExit):
            state = "cancelled"
            raise
        finally:
            self._end(state)

    def release(self) -> None:
        """Run `after` now, as everything is read."""
        self._end("read")

    def _begin(self) -> None:
        if self._after is not None:
            mark = Mark(self._backup_id, self._after, self._environment)
            try:
                write_durably(self._mark_path, msgspec.json.encode(mark))
            except OSError as error:
                why = error.strerror or error
                message = (
                    f"It could not be noted in the home that the command after the copy must run ({why}); see its disk."
                )
                raise HookFailed(message) from error
            self._is_due = True
        if self._before is None:
            return
        self._log.write("The command before the copy runs.")
        ended = run_command(self._before, {**self._environment, "HOLDFAST_HOOK": "before"}, control=self._control)
        self._log.output(ended.output)
        if ended.problem is not None:
            message = f"The command that runs before the copy {ended.problem}, so no copy was made."
            raise HookFailed(f"{message} What it printed is in the backup's log, for the operator.")
        self._log.write(f"The command before the copy ended well after {ended.seconds:.1f} s.")

    def _end(self, state: str) -> None:
        if not self._is_due or self._after is None:
            return
        self._is_due = False
        environment = {**self._environment, "HOLDFAST_STATE": state}
        _run_after(self._after, environment, self._log, self._mark_path, self._warnings)


def recover_hooks(instance: Instance, log_for: Callable[[str], BackupLog]) -> dict[str, Warned]:
    """Run the `after` of each backup whose process died between the two; returns the warnings, by backup.

    `log_for(backup id)` gives the log that says so. A `before` that outlived its process is killed first.
    """
    warnings = {}
    for path in sorted(instance.run.glob("hook-*.json")):
        backup_id = path.stem.removeprefix("hook-")
        with held(instance, f"take-{backup_id}") as is_ours:
            if not is_ours:
                continue
            try:
                mark = msgspec.json.decode(path.read_bytes(), type=Mark)
            except FileNotFoundError:
                continue
            except (OSError, msgspec.MsgspecError) as error:
                _log.error("the mark %s of an after hook cannot be read: %s; run the command by hand", path, error)
                continue
            _kill_orphans(backup_id)
            log = log_for(backup_id)
            log.write("The process that made the backup is gone; the command after the copy is run in its place.")
            wrong: list[Warned] = []
            _run_after(mark.after, {**mark.environment, "HOLDFAST_STATE": "interrupted"}, log, path, wrong)
            for warning in wrong:
                _log.error("backup %s: %s", backup_id, warning.message)
                warnings[backup_id] = warning
    return warnings


def _run_after(hook: Hook, environment: dict[str, str], log: BackupLog, mark: Path, warnings: list[Warned]) -> None:
    """Run `after` to its end and clear its mark; only then pass on what asked this process to stop meanwhile."""
    log.write("The command after the copy runs.")
    interrupted: list[BaseException] = []
    ended = run_command(hook, {**environment, "HOLDFAST_HOOK": "after"}, put_off=interrupted.append)
    try:
        mark.unlink(missing_ok=True)
    except OSError as error:  # the copy is whole all the same
        _log.warning("the mark %s stays (%s), so the next start runs the command after the copy again", mark, error)
    log.output(ended.output)
    if ended.problem is None:
        log.write(f"The command after the copy ended well after {ended.seconds:.1f} s.")
    else:
        message = (
            f"The command that runs after the copy {ended.problem}; see whether the application runs as it should."
        )
        log.write(message)
        warnings.append(Warned("", "AFTER_HOOK_FAILED", message))
    if interrupted:
        raise interrupted[0]


def run_command(
    hook: Hook,
    environment: dict[str, str],
    *,
    control: Control = NEVER,
    put_off: Callable[[BaseException], None] | None = None,
) -> Ended:
    """Run a command by the shell, in `/`, in a session of its own, which is killed as a whole when its time is over.

    `put_off` takes what asks us to stop meanwhile (Ctrl-C, SIGTERM); without it the command is killed then. Raises
    Cancelled.
    """
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", hook.command],
            cwd=ROOT,
            umask=UMASK,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Ended(f"could not be started ({error.strerror})", "", 0.0)
    printed = _Printed(process)
    until = began + hook.timeout_seconds
    problem = None
    while process.poll() is None:
        try:
            control.check("The backup was cancelled.")
            if time.monotonic() >= until:
                problem = f"was not done after {hook.timeout_seconds} s and was stopped"
                _kill(process)
                break
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
        except BaseException as error:
            if put_off is None:
                _kill(process)
                raise
            put_off(error)
    code = process.wait()
    if problem is None and code:
        problem = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
    return Ended(problem, printed.text(), time.monotonic() - began)


class _Printed:
    """The last output of a process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._pipe = process.stdout
        self._kept = bytearray()
        self._is_cut = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe, suppress(OSError):  # a process that was left behind may hold the other end for long
            while piece := os.read(self._pipe.fileno(), 65536):
                with self._lock:
                    self._kept += piece
                    if len(self._kept) > OUTPUT_BYTES_MAX:
                        del self._kept[: len(self._kept) - OUTPUT_BYTES_MAX]
                        self._is_cut = True

    def text(self) -> str:
        """Return the output that is there when the process has ended."""
        self._thread.join(DRAIN_SECONDS)
        with self._lock:
            text = self._kept.decode(errors="replace")
            return f"... the beginning is left out ...\n{text}" if self._is_cut else text


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command with all that it started: asked first, then made to."""
    _signal_group(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(TERM_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _kill_orphans(backup_id: str) -> None:
    """Kill what is left of a `before` whose process died: it must not go on after `after` has run."""
    wanted = {f"HOLDFAST_BACKUP_ID={backup_id}".encode(), b"HOLDFAST_HOOK=before"}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if folder.stat().st_uid == os.geteuid() and wanted <= set(
                    (folder / "environ").read_bytes().split(b"\0")
                ):
                    os.kill(int(folder.name), signal.SIGKILL)


def _environment(app: App, backup: Backup) -> dict[str, str]:
    """Return a command's environment: nothing of ours but where programs and the home are."""
    ours = {name: os.environ[name] for name in ("HOME", "LANG", "TZ") if name in os.environ}
    return {
        "PATH": search_path(),
        **ours,
        "HOLDFAST_APP_ID": app.id,
        "HOLDFAST_APP": app.name,
        "HOLDFAST_PATH": app.path,
        "HOLDFAST_BACKUP_ID": backup.id,
        "HOLDFAST_BACKUP": backup.name,
    }
