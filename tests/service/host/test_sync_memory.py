"""The memory of a sync: little for each line, and as much for the second run as for the first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LINES = 10_000
GROWTH_MB_MAX = 12
"""A hundred thousand lines have 50 MB above the 150 MB that a server has when it starts."""

SYNCED = """
import json, sys
from pathlib import Path

from holdfast.catalog.records import SYSTEM
from holdfast.service.host.sync import Sync
from holdfast.service.host.sync_lines import SyncBody
from holdfast.service.instance.home import create_instance

folder, pairs = Path(sys.argv[1]), int(sys.argv[2])
create_instance(folder / "home", base_url="http://127.0.0.1:1").close()
config = folder / "home" / "holdfast.toml"
config.write_text(f'app_roots = ["{folder}"]\\n' + config.read_text())


def peak_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def results(first, count):
    body = SyncBody(instance)
    for n in range(first, first + count):
        line = {"type": "account", "external_id": f"cust-{n}", "email": f"u{n}@example.org", "plan": "Silver"}
        body.write(json.dumps(line).encode() + b"\\n")
    for n in range(first, first + count):
        path = folder / "apps" / str(n)
        path.mkdir(parents=True, exist_ok=True)
        line = {"type": "app", "external_id": f"srv-{n}", "account": f"cust-{n}", "path": str(path), "name": str(n)}
        body.write(json.dumps(line).encode() + b"\\n")
    sync = Sync(instance, body, SYSTEM, is_dry=False, ends_missing=count == pairs, is_forced=True)
    found = {answer.result for answers in sync.answers() for answer in answers}
    sync.close()
    return sorted(found)


from holdfast.service.instance.home import open_instance
instance = open_instance(folder / "home")
found = [results(0, 250), results(0, 250)]  # what is imported and compiled once
before = peak_kb()
found += [results(250, pairs), results(250, pairs)]
print(json.dumps([found, (peak_kb() - before) / 1024]))
"""


def test_a_sync_of_many_lines_takes_little_memory(tmp_path: Path) -> None:
    given = [sys.executable, "-c", SYNCED, str(tmp_path), str(LINES // 2)]
    done = subprocess.run(given, capture_output=True, text=True, check=True, timeout=100)
    found, growth = json.loads(done.stdout)
    assert found == [["created"], ["same"], ["created", "ended"], ["same"]]
    assert growth < GROWTH_MB_MAX
