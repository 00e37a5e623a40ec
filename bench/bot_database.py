"""Dataset *c*: a bot's SQLite database with users, messages and two indexes, and two ways in which 1 % of it changes.

*cu*: 1 % of the messages edited, uniformly. *cs*: as a day of a bot looks: most changes among the newest messages, and
new ones. An edit keeps the length of its row, so that what moves in the file is what changed and not the b-tree.
Everything comes from seeds: the same rows from every run.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MESSAGES_FULL = 5_400_000
"""With about 209 bytes a message in table and indexes: 1.13 GB."""

VOCABULARY_WORDS = 60_000
BATCH_ROWS = 20_000
FIRST_ID = 1_100_000_000_000_000_000
"""Ids are snowflakes as Discord gives them: 42 bits of milliseconds, 22 of worker and sequence."""

TOKEN_SHARE = 0.115
"""Words that are links and mentions: what keeps real chat from shrinking as prose does."""

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, joined_at INTEGER NOT NULL, xp INTEGER NOT NULL,
                    settings TEXT NOT NULL);
CREATE TABLE messages (id INTEGER PRIMARY KEY, channel_id INTEGER NOT NULL, author_id INTEGER NOT NULL,
                       edited_at INTEGER NOT NULL, content TEXT NOT NULL);
"""
INDEXES = """
CREATE INDEX messages_by_author ON messages (author_id, id);
CREATE INDEX messages_by_channel ON messages (channel_id, id);
"""
_SYLLABLE_HEADS = "b br c ch d dr f fl g gr h j k l m n p pl pr qu r s sh sl sp st t th tr v w z"
_SYLLABLE_TAILS = "a ai ar e ea el en er i ie in ing is o on oo or ou u un ur y"
Message = tuple[int, int, int, int, str]


def make_database(path: Path, messages: int) -> None:
    """Writes a new database with `messages` messages and a twentieth as many users to `path`."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA page_size=4096")
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        database.executescript(SCHEMA)
        rows = _Rows(seed=3, users=max(100, messages // 20))
        database.executemany("INSERT INTO users VALUES (?,?,?,?,?)", rows.users())
        database.executemany("INSERT INTO messages VALUES (?,?,?,?,?)", rows.messages(messages, FIRST_ID))
        database.commit()
        database.executescript(INDEXES)
    database.close()


def change_uniformly(original: Path, path: Path) -> None:
    """Writes *cu* to `path`: 1 % of the messages edited, spread evenly."""
    shutil.copyfile(original, path)
    with sqlite3.connect(path) as database:
        ids = _ids(database)
        chosen = np.random.default_rng(4).choice(len(ids), len(ids) // 100, replace=False)
        _edit(database, ids[np.sort(chosen)])
    database.close()


def change_newest(original: Path, path: Path) -> None:
    """Writes *cs* to `path`: of 1 % of the messages, 7 in 10 edits near the newest, 1 in 10 anywhere, 2 in 10 new."""
    shutil.copyfile(original, path)
    random = np.random.default_rng(5)
    with sqlite3.connect(path) as database:
        ids = _ids(database)
        changes = len(ids) // 100
        ages = random.exponential(len(ids) * 0.01, changes * 7 // 10).astype(np.int64)
        near = len(ids) - 1 - np.minimum(ages, len(ids) - 1)
        anywhere = random.integers(0, len(ids), changes // 10)
        _edit(database, ids[np.unique(np.concatenate([near, anywhere]))])
        rows = _Rows(seed=6, users=max(100, len(ids) // 20))
        new = rows.messages(changes * 2 // 10, int(ids[-1]) + (1 << 22))
        database.executemany("INSERT INTO messages VALUES (?,?,?,?,?)", new)
    database.close()


def _ids(database: sqlite3.Connection) -> npt.NDArray[np.int64]:
    return np.fromiter((row[0] for row in database.execute("SELECT id FROM messages ORDER BY id")), dtype=np.int64)


def _edit(database: sqlite3.Connection, ids: npt.NDArray[np.int64]) -> None:
    """Edits messages: the same words in reverse order, which keeps the row's length."""
    select = "SELECT content FROM messages WHERE id=?"
    edits = []
    for message_id in ids.tolist():
        content = str(database.execute(select, (message_id,)).fetchone()[0])
        edits.append((" ".join(reversed(content.split(" "))), message_id))
    database.executemany("UPDATE messages SET edited_at=edited_at+86400000, content=? WHERE id=?", edits)


class _Rows:
    """Rows drawn from a seed: few authors and channels write most, words as frequent as in prose."""

    def __init__(self, *, seed: int, users: int) -> None:
        self._random = np.random.default_rng(seed)
        shape = np.random.default_rng(2)  # the same words, authors and channels for every seed
        self._words = np.array(_vocabulary(shape), dtype=object)
        self._word_share = np.cumsum(_zipf(VOCABULARY_WORDS, 1.0))
        self._users = shape.integers(1 << 57, 1 << 60, users)
        self._user_share = np.cumsum(_zipf(users, 0.9))
        self._channels = shape.integers(1 << 59, 1 << 60, 800)
        self._channel_share = np.cumsum(_zipf(800, 1.0))

    def users(self) -> Iterator[tuple[int, str, int, int, str]]:
        words = self._draw(self._words, self._word_share, len(self._users))
        numbers = self._random.integers(0, 1 << 30, len(self._users)).tolist()
        for user, word, number in zip(self._users.tolist(), words.tolist(), numbers, strict=True):
            settings = f'{{"locale":"en","level":{number % 90},"muted":false,"badge":"{number:08x}"}}'
            yield user, f"{word}{number % 1000}", 1_500_000_000_000 + number * 100, number % 1_000_000, settings

    def messages(self, count: int, first_id: int) -> Iterator[Message]:
        message_id = first_id
        for start in range(0, count, BATCH_ROWS):
            rows = min(BATCH_ROWS, count - start)
            steps = (self._random.integers(1, 4_000, rows) << 22) | self._random.integers(0, 4_096, rows)
            ids = message_id + np.cumsum(steps)
            message_id = int(ids[-1]) & ~((1 << 22) - 1)
            authors = self._draw(self._users, self._user_share, rows)
            channels = self._draw(self._channels, self._channel_share, rows)
            edited = (ids >> 22) + 1_420_070_400_000
            yield from zip(
                ids.tolist(), channels.tolist(), authors.tolist(), edited.tolist(), self._texts(rows), strict=True
            )

    def _texts(self, rows: int) -> list[str]:
        lengths = self._random.geometric(1 / 11, rows) + 1
        ends = np.cumsum(lengths)
        words = self._draw(self._words, self._word_share, int(ends[-1]))
        rare = np.flatnonzero(self._random.random(len(words)) < TOKEN_SHARE)
        digits = self._random.bytes(8 * len(rare)).hex()
        words[rare] = [f"t.example/{digits[16 * i : 16 * i + 16]}" for i in range(len(rare))]
        words[ends - 1] = "\n"
        return " ".join(words.tolist()).removesuffix(" \n").split(" \n ")

    def _draw(self, values: npt.NDArray[Any], shares: npt.NDArray[np.float64], n: int) -> npt.NDArray[Any]:
        drawn: npt.NDArray[Any] = values[np.searchsorted(shares, self._random.random(n) * shares[-1])]
        return drawn


def _zipf(n: int, exponent: float) -> npt.NDArray[np.float64]:
    return np.arange(1, n + 1, dtype=np.float64) ** -exponent


def _vocabulary(random: np.random.Generator) -> list[str]:
    """Words of one to four syllables; the most frequent ones are the shortest."""
    heads = _SYLLABLE_HEADS.split()
    tails = _SYLLABLE_TAILS.split()
    syllables = [head + tail for head in heads for tail in tails]
    words: dict[str, None] = {}
    while len(words) < VOCABULARY_WORDS:
        most = 1 + min(3, len(words) // 400)
        parts = random.integers(0, len(syllables), random.integers(1, most + 1)).tolist()
        words["".join(syllables[part] for part in parts)] = None
    return list(words)
