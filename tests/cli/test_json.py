"""The bytes of `--json`: each command that has it prints what is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit.answers import STEP_NS, Record, Recorded, recorded_instance
from kit.in_process import run_command

from holdfast.catalog.database.tables import accounts, apps
from holdfast.catalog.records import SYSTEM
from holdfast.cli.state import State
from holdfast.service.instance.home import Instance
from holdfast.service.take.request import request_backup

GOLDEN = Path(__file__).parent / "golden" / "json.txt"

COMMANDS = """
account list
app list
backup create bot --name first
backup list bot
app ignore bot *.log
app ignored bot
app schedule bot
app schedule bot @daily --keep-daily 9000
app list
backup create bot --name second --reference deploy-2
backup lock bot ref:deploy-2
backup delete bot second
backup unlock bot second
backup rename bot second renamed
backup note bot renamed tested
backup log bot first
backup list bot
files bot first
files bot first sub
diff bot first renamed
find bot *.txt
restore bot first --dry-run
restore bot first --mode overlay
restore bot first --path none
jobs
jobs --all
log
log --app bot
check
prove bot first
proof
status
status bot --quiet
retain --dry-run
retain bot --dry-run
retain bot
notice add ntfys://1.1.1.1/topic --event backup.failed
notice list
notice enable {endpoint}
notice log {endpoint}
notice remove {endpoint}
app hook bot before true
app hook bot before
app source add bot redis --dsn redis://127.0.0.1:1/0 --no-check
app source list bot
app source remove bot 0
jobs cancel {queued}
jobs cancel {queued}
backup delete bot renamed
backup list none
app days bot --last 2
app remove bot
account set-plan {account} Bronze
account list
""".strip()


def test_every_command_prints_what_it_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(GOLDEN, {str(tmp_path): "<tmp>"})
    with recorded_instance(tmp_path) as world:
        _give_external_ids(world)
        _open_always(world, monkeypatch)
        record.replaced[world.account.id] = "<account>"
        named = {"account": world.account.id}
        for line in COMMANDS.split("\n"):
            world.clock.ns += STEP_NS
            if "{queued}" in line and "queued" not in named:
                named["queued"] = request_backup(world.instance, world.other_app.id, SYSTEM)[0].id
            command = line.format(**named)
            done = run_command(["--home", str(tmp_path / "home"), *command.split(), "--json"])
            failure = f"{type(done.exception).__name__}: {done.exception}\n" if done.exception else ""
            record.add(command, f"{done.exit_code}\n{failure}{done.output}")
            if line.startswith("notice add"):
                named["endpoint"] = done.output.split('"')[3]
    record.check()


def _give_external_ids(world: Recorded) -> None:
    """Make the account and one of its applications the host's; another application stays without an id of the host."""
    with world.instance.catalog.write() as connection:
        of_account = accounts.update().where(accounts.c.id == world.account.id)
        connection.execute(of_account.values(external_id="cust-1"))
        connection.execute(apps.update().where(apps.c.id == world.app.id).values(external_id="srv-1"))


def _open_always(world: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each command the instance whose clock stands still."""

    @contextmanager
    def instance(_state: State) -> Iterator[Instance]:
        yield world.instance

    monkeypatch.setattr(State, "instance", instance)
