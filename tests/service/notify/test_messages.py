"""What notices say: every text is here to be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from holdfast.service.notify.messages import Facts, compose

DAY = 24 * 3600 * 1_000_000_000
FACTS = Facts(
    kind="backup.failed",
    at=1_733_605_631_000_000_000,
    app="bot",
    link="https://panel.example.org/apps/1",
    zone=ZoneInfo("Europe/Berlin"),
    backup="nightly",
    size=81_865_653,
    error_code="STORE_FULL",
    error="The disk is full; free some space",
    last_good_at=1_733_605_631_000_000_000 - DAY,
)

GOLDEN: list[tuple[dict[str, Any], str]] = [
    (
        {"kind": "backup.finished"},
        """
[success] bot: backup finished
The backup “nightly” was finished at 2024-12-07 22:07 CET; it has 81.9 MB as a download.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.finished", "warnings": 2},
        """
[warning] bot: backup finished
The backup “nightly” was finished at 2024-12-07 22:07 CET; it has 81.9 MB as a download.
It has 2 warnings: see what they say, as something may be missing in it.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.failed"},
        """
[failure] bot: backup failed
The backup “nightly” failed at 2024-12-07 22:07 CET. The disk is full; free some space.
The last good backup is from 2024-12-06 22:07 CET; what is newer is not safe yet.
Fix the cause and take a new one.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.failed", "last_good_at": None, "account": "ana@example.com (a1)"},
        """
[failure] bot: backup failed
The backup “nightly” failed at 2024-12-07 22:07 CET. The disk is full; free some space.
It has no good backup yet, so nothing could be restored.
Fix the cause and take a new one.
Account: ana@~example.com (a1)
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.failed", "error_code": "CANCELLED"},
        """
[info] bot: backup cancelled
The backup “nightly” was cancelled at 2024-12-07 22:07 CET.
The last good backup is from 2024-12-06 22:07 CET; what is newer is not safe yet.
Take another one when it suits.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.overdue", "backup": ""},
        """
[failure] bot: no good backup in time
By its schedule bot should have had a good backup by 2024-12-07 22:07 CET, and it has none.
The last good backup is from 2024-12-06 22:07 CET; what is newer is not safe yet.
The last try failed: The disk is full; free some space. Fix that and take a backup.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.overdue", "backup": "", "error": None, "is_running": True},
        """
[failure] bot: no good backup in time
By its schedule bot should have had a good backup by 2024-12-07 22:07 CET, and it has none.
The last good backup is from 2024-12-06 22:07 CET; what is newer is not safe yet.
One is being made just now; wait for it.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.overdue", "backup": "", "error": None, "last_good_at": None},
        """
[failure] bot: no good backup in time
By its schedule bot should have had a good backup by 2024-12-07 22:07 CET, and it has none.
It has no good backup yet, so nothing could be restored.
See whether its backups fail or do not run, and take one.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.shrunk", "sizes": "2 files (1 kB), and the one before had 10 (10 kB)", "app_id": "ab12"},
        """
[warning] bot: its folder has shrunk
The backup “nightly”, finished at 2024-12-07 22:07 CET, has 2 files (1 kB), and the one before had 10 (10 kB).
Its older backups are kept, whatever the rules say, until somebody says that this is right.
See whether files were lost, or a disk is not mounted there.
If it is right, accept it: POST /v3/apps/ab12/retention/accept.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.expired", "reason": "plan_storage", "gone_at": FACTS.at + DAY},
        """
[warning] bot: a backup was deleted
The backup “nightly” was deleted at 2024-12-07 22:07 CET, as the account stored more than its plan allows.
It is in the trash and can be brought back until 2024-12-08 22:07 CET, once the plan has room for it again.
Lock what has to stay, delete what may go, or ask for a larger plan.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.unlocked"},
        """
[warning] bot: a backup was unlocked
The operator unlocked the backup “nightly” at 2024-12-07 22:07 CET, before its time lock was over.
It can be deleted now. If that is not as agreed, download it, or lock it again.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "storage.nearly_full", "app": "", "sizes": "46 GB of the 50 GB that the plan allows"},
        """
[warning] The storage for backups is nearly full
At 2024-12-07 22:07 CET the account's backups take 46 GB of the 50 GB that the plan allows.
At the limit no more backups can be taken by hand, and above it old ones are deleted.
Delete what may go, or ask for a larger plan.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "restore.finished"},
        """
[success] bot: restored
bot was restored from the backup “nightly” at 2024-12-07 22:07 CET.
If that was wrong, restore the safety backup from before it, where one was taken.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "restore.finished", "state": "failed", "error": "The target is in the way."},
        """
[failure] bot: restore failed
The restore of bot from the backup “nightly” failed at 2024-12-07 22:07 CET. The target is in the way.
What was there before the restore is kept. Fix the cause and restore again.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "restore.finished", "state": "cancelled"},
        """
[info] bot: restore cancelled
The restore of bot from the backup “nightly” was cancelled at 2024-12-07 22:07 CET; nothing was changed.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "verify.failed", "error": "A pack of it is damaged."},
        """
[failure] bot: a backup is damaged
The backup “nightly” did not pass its proof at 2024-12-07 22:07 CET. A pack of it is damaged.
What can't be read is missing in its downloads and restores; its other files are good.
A fresh backup brings back what is still the same: see that one is taken, and that it succeeds.
https://panel.example.org/apps/1
""",
    ),
    (
        {"kind": "backup.failed", "app": "", "backup": "@everyone <!here> [x](http://y)"},
        """
[failure] An application that was removed: backup failed
The backup “@~everyone <~!here> [x]~(http://y)” failed at 2024-12-07 22:07 CET. The disk is full; free some space.
The last good backup is from 2024-12-06 22:07 CET; what is newer is not safe yet.
Fix the cause and take a new one.
https://panel.example.org/apps/1
""",
    ),
]
"""What is different from FACTS, and what is said; `~` stands for the zero-width space that makes a name tame."""


@pytest.mark.parametrize(("given", "text"), GOLDEN, ids=[" ".join(map(str, given.values())) for given, _ in GOLDEN])
def test_the_words(given: dict[str, Any], text: str) -> None:
    notice = compose(replace(FACTS, **given))
    assert f"[{notice.urgency}] {notice.title}\n{notice.text}".replace("\u200b", "~") == text.strip()
