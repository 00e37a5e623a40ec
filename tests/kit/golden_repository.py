"""Makes the golden repository of the current format version: `PYTHONPATH=tests python -m kit.golden_repository`.

Run once per format version, and the result committed; every later Holdfast has to read it. Never run it to make a
failing test pass: what is in it is what customers have on their disks.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from holdfast.sources.directory.source import DirectorySource
from holdfast.stores.local import LocalStore
from holdfast.vault.vault import Vault
from kit.memory_ledger import MemoryLedger

GOLDEN = Path(__file__).parents[1] / "vault" / "golden"
DATA_KEY = bytes(range(32))
VAULT_ID = "golden"
TIME_NS = 1_733_605_631_123_456_789
OLD_NS = -157_766_400_123_456_789
"""The time of the file `old`, which trees have from version 2 on: in 1965."""


def make_tree(root: Path, version: str) -> None:
    """One of everything."""
    root.mkdir()
    (root / "empty").write_bytes(b"")
    (root / "inline").write_bytes(b"a short file\n")
    (root / "text").write_bytes(b"line of a longer file\n" * 3000)
    (root / "numbers").write_bytes(b"".join(b"%d\n" % (i * i) for i in range(60_000)))
    (root / "noise").write_bytes(b"".join(bytes([(i * i * 7 + i // 251) % 256]) for i in range(70_000)))
    (root / "folder" / "empty folder").mkdir(parents=True)
    (root / "folder" / "中文 😀").write_bytes(b"names\n" * 50)
    Path(os.fsdecode(os.fsencode(root) + b"/folder/bad\xff")).write_bytes(b"odd name\n" * 40)
    (root / "link").symlink_to("folder/中文 😀")
    os.link(root / "text", root / "hard link")
    with (root / "sparse").open("wb") as file:
        file.truncate(3_000_000)
        file.seek(2_500_000)
        file.write(b"data in a hole")
    (root / "bot.sqlite").write_bytes(b"SQLite format 3\x00" + bytes(i // 97 % 256 for i in range(700_000)))
    for path in [*root.rglob("*"), root]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o640)
        os.utime(path, ns=(TIME_NS, TIME_NS), follow_symlinks=False)
    if version != "v1":
        (root / "old").write_bytes(b"a file from before 1970\n")
        (root / "old").chmod(0o640)
        os.utime(root / "old", ns=(OLD_NS, OLD_NS))
        os.utime(root, ns=(TIME_NS, TIME_NS))


def main() -> None:
    """Write golden/v2."""
    target = GOLDEN / "v2"
    if target.exists():
        sys.exit(f"{target} is there already; it must not change.")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "app"
        make_tree(root, target.name)
        target.mkdir()
        ledger = MemoryLedger()
        vault = Vault(vault_id=VAULT_ID, store=LocalStore(target), data_key=DATA_KEY, ledger=ledger, workers=0)
        result = vault.take(
            DirectorySource(root), None, backup_id="backup", commit_seq=1, now_ns=TIME_NS, labels={"app": "golden"}
        )
        about = {"digest": result.digest.hex(), "zip_bytes": result.zip_bytes, "tar_bytes": result.tar_bytes}
        (target / "expected.json").write_text(json.dumps(about, indent=2) + "\n")
    shutil.rmtree(target / "unfinished")


if __name__ == "__main__":
    main()
