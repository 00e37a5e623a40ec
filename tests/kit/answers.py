"""Recorded answers: what a program reads of ours, byte by byte, with only what is drawn by lot replaced.

Terms. A *record* is a list of requests with their answers. Ids, keys and secrets are random, so each stands in a record
as a number in the order of its first appearance; folders of the test stand in it as `<tmp>`. Sizes in the
store depend on how random ids compress, and the time of a proof on the id, so they stand in it as `<varies>`.

`HOLDFAST_GOLDEN=write` writes the records anew: then read the difference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from holdfast.catalog.records import SYSTEM, Account, App
from holdfast.service.instance.home import Instance, create_instance
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from kit.world import FakeClock

STEP_NS = 10_000_000_000
"""How far the clock moves between two requests."""

_RANDOM = re.compile(
    r"(?<![0-9a-f])(?P<key>[0-9a-f]{40})(?![0-9a-f])|(?<![0-9a-f])(?P<id>[0-9a-f]{32})(?![0-9a-f])"
    r"|(?P<secret>whsec_[A-Za-z0-9+/=]+)|(?P<api>hf_[0-9A-Za-z]+)"
)
_STORED = re.compile(
    r'((?:"(?:stored_size|added_size|storage|read_bytes|freed_size)": ?|bytes; ))[1-9][0-9,]*'
    r'|("next_proof_at": ?)"[^"]+"'
)


@dataclass
class Record:
    """Requests and their answers, as they are written down."""

    path: Path
    replaced: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def add(self, request: str, answer: str) -> None:
        self.lines.append(f"> {self._plain(request)}\n{self._plain(answer)}\n")

    def check(self) -> None:
        """Compare with the file, or write it."""
        text = "\n".join(self.lines)
        if os.environ.get("HOLDFAST_GOLDEN") == "write":
            self.path.parent.mkdir(exist_ok=True)
            self.path.write_text(text)
        assert text.split("\n") == self.path.read_text().split("\n")

    def _plain(self, text: str) -> str:
        for found, name in list(self.replaced.items()):
            text = text.replace(found, name)
        return _STORED.sub(lambda m: f"{m[1] or m[2]}<varies>", _RANDOM.sub(self._named, text))

    def _named(self, match: re.Match[str]) -> str:
        kind = match.lastgroup
        number = 1 + sum(name.startswith(f"<{kind}-") for name in self.replaced.values())
        return self.replaced.setdefault(match[0], f"<{kind}-{number}>")


@dataclass
class Recorded:
    """An instance whose time stands still, with an account, two applications, and their folders."""

    instance: Instance
    clock: FakeClock
    account: Account
    api_key: str
    app: App
    other_app: App
    root: Path

    def write(self, name: str, data: bytes) -> None:
        """Put a file into the application's folder, with a time of its own that is always the same."""
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        self._date(path)

    def link(self, name: str, target: str) -> None:
        """Put a symbolic link there in the same way."""
        path = self.root / name
        path.symlink_to(target)
        self._date(path)

    def _date(self, path: Path) -> None:
        for one in (path, path.parent, self.root):
            os.utime(one, ns=(self.clock.ns, self.clock.ns), follow_symlinks=False)


@contextmanager
def recorded_instance(folder: Path) -> Iterator[Recorded]:
    """Make an instance to record."""
    clock = FakeClock()
    instance = create_instance(folder / "home", base_url="http://holdfast.test", time_zone="Europe/Berlin", clock=clock)
    config = instance.config
    plans = {name: replace(plan, cooldown_seconds=0, account_cooldown_seconds=0) for name, plan in config.plans.items()}
    instance.config = replace(config, plans=plans, schedule_jitter_seconds=0)
    made = add_account(instance, "ana@example.com", "Silver", SYSTEM)
    root, other = folder / "app", folder / "other"
    root.mkdir(mode=0o755)
    other.mkdir(mode=0o755)
    app = add_app(instance, made.account.id, "bot", root, SYSTEM)
    clock.ns += STEP_NS
    other_app = add_app(instance, made.account.id, "shop", other, SYSTEM)
    recorded = Recorded(instance, clock, made.account, made.api_key, app, other_app, root)
    recorded.write("hello.txt", b"hello\n" * 1000)
    recorded.write("sub/größe.bin", bytes(range(256)) * 512)
    recorded.write("cache.log", b"nothing to keep\n")
    try:
        yield recorded
    finally:
        instance.close()
