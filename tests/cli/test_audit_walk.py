"""Every command, found from the parser itself: one that changes anything leaves its entry by the operator."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit.answers import STEP_NS, Recorded, recorded_instance
from kit.in_process import run_command

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.events.audit import Change, entries
from holdfast.catalog.people.passwords import credentials_by_email
from holdfast.catalog.people.records import SecondFactor
from holdfast.catalog.people.second_factors import add_second_factor
from holdfast.catalog.records import SYSTEM, ActorKind, AppSettings, AuditFilter, Shrunk
from holdfast.cli.state import State
from holdfast.cli.tree import leaves
from holdfast.service.instance.home import Instance, open_instance
from holdfast.service.notify.endpoints import change_endpoint, find_endpoint
from holdfast.service.take.request import request_backup

ELSEWHERE = {
    "init": "it makes another instance, below",
    "serve": "it changes nothing itself; the audit of its routes is walked in tests/web/test_audit_walk.py",
    "mail test": "it changes nothing, and needs a mail server; tests/cli/test_mail.py runs it",
    "demo": "its steps are those of the other commands, on an instance of its own",
}
"""Commands that are not run here, each with the reason."""

READ_ONLY = """
account list
app list
app days bot
app ignored bot
app source list bot
app source check bot
audit
backup list bot
backup log bot first
diff bot first second
doctor
files bot first
find bot *.txt
jobs
admin-key list
key list {account}
log
member list {account}
notice list
operator list
notice log {endpoint}
proof
status
""".strip()
"""A line of each command that only reads, in any state of things; none leaves an entry."""

CHANGES = """
account add bo@example.com --plan Silver | account.created
account set-plan {account} Titanium | account.plan_set
account set-email {account} ana@example.org | account.email_set
account rotate-key {account} | account.key_replaced
account revoke-links {account} | account.links_revoked
app add new --account {account} --path {one} | app.created
app rename new newer | app.renamed
app set-path newer {two} | app.moved
app remove newer | app.removed
app ignore bot *.log | ignore.set
app hook bot before true | hook.set
app schedule bot @daily --keep-daily 9000 | schedule.set
app source add bot redis --dsn redis://127.0.0.1:1/0 --no-check | database.added
app source remove bot redis | database.removed
backup create bot --name first | backup.created
backup create bot --name second | backup.created
backup import bot {archive} --name third | backup.imported
backup rename bot third fourth | backup.renamed
backup note bot fourth tested | backup.noted
backup lock bot fourth | backup.locked
backup unlock bot fourth | backup.unlocked
backup download bot first -o {folder}/first.zip | backup.downloaded
cat bot first hello.txt | content.downloaded
backup delete bot fourth | backup.deleted
backup undelete bot fourth | backup.undeleted
backup delete bot fourth --final | backup.deleted
restore bot first --mode overlay | restore.requested
prove bot first | prove.requested
retain bot --accept | size.accepted
notice add ntfys://1.1.1.1/topic --event backup.failed | webhook.created
notice enable {endpoint} | webhook.changed
notice test {endpoint} | webhook.tested
notice remove {endpoint} | webhook.removed
key add {account} ci --group view | key.created
key end {account} {key} | key.ended
admin-key add panel --scope accounts | admin_key.created
admin-key end panel | admin_key.ended
member add {account} eva@example.org --group view | member.invited
member change {account} eva@example.org --group manager | member.changed
member end {account} eva@example.org | member.ended
sign-in-link {account} | sign_in_link.created
operator add rui@example.org | operator.added operator_link.created
operator link rui@example.org | operator_link.created
person link rui@example.org | password_link.created
person reset-2fa rui@example.org | second_factor.reset
operator remove rui@example.org | operator.removed
key export | master_key.exported
jobs cancel {queued} | backup.cancelled
check | account.repaired
backup delete bot second | backup.deleted
prune --grace-hours 0 | account.pruned
prune --empty-trash | backup.deleted account.pruned
rebuild | account.rebuilt
account erase {account} --later --yes | account.erase_asked
account keep {account} | account.erase_taken_back
account erase {account} --yes | account.erased
""".strip()
"""In their order: a line of each command that changes anything, and the actions of its entries."""


def command_of(line: str) -> str:
    """The command that a line begins with."""
    words = line.split()
    return max((name for name, _ in leaves() if words[: len(name.split())] == name.split()), key=len)


def test_each_command_has_a_case_here() -> None:
    lines = [*READ_ONLY.split("\n"), *CHANGES.split("\n")]
    assert {command_of(line) for line in lines} | ELSEWHERE.keys() == {name for name, _ in leaves()}


class Walk:
    """An instance on which the commands run in this process, and what its audit has of the operator."""

    def __init__(self, world: Recorded, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.named: dict[str, str] = {"account": world.account.id, "folder": str(folder)}

    def run(self, line: str, *, fails: bool = False) -> str:
        self.world.clock.ns += STEP_NS
        words = [word.format(**self.named) for word in line.split()]
        done = run_command(["--home", str(self.world.instance.home), *words])
        assert done.exit_code == int(fails), (line, done.output, done.exception)
        return done.output

    def actions(self, above: int = 0) -> list[str]:
        """The actions of the operator above a number, oldest first."""
        found = entries(self.world.instance.catalog, AuditFilter(actor=ActorKind.OPERATOR), 50)
        assert {(one.actor.id, one.actor.ip) for one in found} <= {(str(os.getuid()), None)}
        return [one.action for one in reversed(found) if one.seq > above]

    def newest(self) -> int:
        return max((one.seq for one in entries(self.world.instance.catalog, AuditFilter(), 1)), default=0)

    def prepare(self, command: str) -> None:
        """Bring about what a command needs to change anything."""
        world = self.world
        if command == "retain":
            shrunk = Shrunk("b" * 32, 1, 1, 1, 1, 2, 2)
            change_settings(
                world.instance.catalog, world.app.id, lambda now: AppSettings(shrunk=shrunk), 0, SYSTEM, "app.shrunk"
            )
        elif command == "notice enable":
            endpoint = find_endpoint(world.instance, self.named["endpoint"])
            change_endpoint(world.instance, endpoint, SYSTEM, is_enabled=False)
        elif command == "jobs cancel":
            self.named["queued"] = request_backup(world.instance, world.other_app.id, SYSTEM)[0].id
        elif command == "person reset-2fa":
            found = credentials_by_email(world.instance.catalog, "rui@example.org")
            assert found is not None
            factor, change = SecondFactor(b"sealed", 0, True, 0), Change(SYSTEM, "second_factor.added")
            add_second_factor(world.instance.catalog, found.person.id, "", factor, [b"h" * 32], change, 0)
        elif command == "check":
            pack = max(world.instance.home.glob("store/vaults/*/packs/*/*"), key=lambda path: path.stat().st_size)
            pack.write_bytes(b"damaged" + pack.read_bytes()[7:])
            assert self.run("check --no-repair", fails=True)

    def learn(self, line: str, output: str) -> None:
        """Keep the id of what a command made, for those behind it."""
        for command, name in (("notice add", "endpoint"), ("key add", "key")):
            if line.startswith(command):
                self.named[name] = re.findall("[0-9a-f]{32}", output)[0]


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    with recorded_instance(tmp_path) as world:

        @contextmanager
        def instance(_state: State) -> Iterator[Instance]:
            yield world.instance

        monkeypatch.setattr(State, "instance", instance)
        folder = tmp_path / "moved"
        folder.mkdir()
        made = Walk(world, folder)
        made.named["archive"] = str(tmp_path / "up.zip")
        with zipfile.ZipFile(made.named["archive"], "w") as archive:
            archive.writestr("a.txt", "a")
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            made.named[name] = str(tmp_path / name)
        yield made


def test_each_change_by_a_command_leaves_its_entry_by_the_operator(walk: Walk) -> None:
    for line in CHANGES.split("\n"):
        command, _, actions = line.partition(" | ")
        walk.prepare(command_of(command))
        above = walk.newest()
        walk.learn(command, walk.run(command, fails=command == "check" or command.startswith("notice test")))
        # prune has an entry for each of its transactions
        assert set(walk.actions(above)) == set(actions.split()), command


def test_a_command_that_only_reads_leaves_none(walk: Walk) -> None:
    for name in ("first", "second"):
        walk.run(f"backup create bot --name {name}")
    walk.learn("notice add", walk.run("notice add ntfys://1.1.1.1/topic --event backup.failed"))
    above = walk.newest()
    for line in READ_ONLY.split("\n"):
        walk.run(line)
        assert walk.newest() == above, line


def test_the_first_entry_is_that_of_init(tmp_path: Path) -> None:
    assert run_command(["--home", str(tmp_path / "home"), "init"]).exit_code == 0
    instance = open_instance(tmp_path / "home")
    (first,) = entries(instance.catalog, AuditFilter(), 2)
    instance.close()
    assert (first.action, first.actor.kind, first.actor.id) == ("instance.created", "operator", str(os.getuid()))
