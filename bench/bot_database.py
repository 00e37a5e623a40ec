"""Dataset *c*: a bot's SQLite database with users, messages and two indexes, and two ways in which 1 % of it changes.

*cu*: 1 % of the messages edited, uniformly. *cs*: like a day of a bot: most changes among the newest messages, and new
ones. An edit keeps the length of its row, so that the changes in the file are the edits and not moves of the b-tree.
Everything comes from seeds: the same rows from every run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MESSAGES_FULL = 6_350_000
"""With about 178 bytes a message in table and indexes: 1.13 GB."""

VOCABULARY_WORDS = 60_000
BATCH_ROWS = 20_000
CHANNELS = 800
FIRST_MESSAGE_MS = 1_680_000_000_000
INDEXED_SHARE = 0.9
"""The indexes are made after this share of the messages; the rest is inserted into them, so that their pages are
filled as in a live database, not packed full as after a dump."""

TOKEN_SHARE = 0.115
"""Share of words that are links and mentions: they keep real chat from shrinking as prose does."""

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, joined_at INTEGER NOT NULL, xp INTEGER NOT NULL,
                    settings TEXT NOT NULL);
CREATE TABLE messages (id INTEGER PRIMARY KEY, channel_id INTEGER NOT NULL, author_id INTEGER NOT NULL,
                       created_at INTEGER NOT NULL, edited_at INTEGER NOT NULL, content TEXT NOT NULL);
"""
INDEXES = """
CREATE INDEX messages_by_author ON messages (author_id, id);
CREATE INDEX messages_by_channel ON messages (channel_id, id);
"""
INSERT_MESSAGE = "INSERT INTO messages VALUES (?,?,?,?,?,?)"
_SYLLABLE_HEADS = "b br c ch d dr f fl g gr h j k l m n p pl pr qu r s sh sl sp st t th tr v w z"
_SYLLABLE_TAILS = "a ai ar e ea el en er i ie in ing is o on oo or ou u un ur y"
Message = tuple[int, int, int, int, int, str]


def make_database(path: Path, messages: int) -> None:
    """Write a new database with `messages` messages and a twentieth as many users to `path`."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA page_size=4096")
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA cache_size=-400000")
        database.execute("PRAGMA synchronous=OFF")
        database.executescript(SCHEMA)
        rows = _Rows(seed=3, users=max(100, messages // 20))
        database.executemany("INSERT INTO users VALUES (?,?,?,?,?)", rows.users())
        before = round(messages * INDEXED_SHARE)
        database.executemany(INSERT_MESSAGE, rows.messages(before, 1))
        database.commit()
        database.executescript(INDEXES)
        database.executemany(INSERT_MESSAGE, rows.messages(messages - before, before + 1))
    database.close()


def change_uniformly(path: Path) -> None:
    """Make *cu* of a database, in place: 1 % of the messages edited, spread evenly."""
    with closing(sqlite3.connect(path)) as database, database:
        ids = _ids(database)
        chosen = np.random.default_rng(4).choice(len(ids), len(ids) // 100, replace=False)
        _edit(database, ids[np.sort(chosen)])
    database.close()


def change_newest(path: Path, day: int = 0) -> None:
    """Make *cs* of a database, in place: of 1 % of the messages, 87 in 100 edits near the newest, 3 anywhere, 10 new.

    Another `day` changes others.
    """
    random = np.random.default_rng(5 + 100 * day)
    with closing(sqlite3.connect(path)) as database, database:
        ids = _ids(database)
        changes = len(ids) // 100
        ages = random.exponential(len(ids) * 0.02, changes * 87 // 100).astype(np.int64)
        near = len(ids) - 1 - np.minimum(ages, len(ids) - 1)
        anywhere = random.integers(0, len(ids), changes * 3 // 100)
        _edit(database, ids[np.unique(np.concatenate([near, anywhere]))])
        rows = _Rows(seed=6 + 100 * day, users=max(100, len(ids) // 20))
        database.executemany(INSERT_MESSAGE, rows.messages(changes // 10, int(ids[-1]) + 1))
    database.close()


def _ids(database: sqlite3.Connection) -> npt.NDArray[np.int64]:
    return np.fromiter((row[0] for row in database.execute("SELECT id FROM messages ORDER BY id")), dtype=np.int64)


def _edit(database: sqlite3.Connection, ids: npt.NDArray[np.int64]) -> None:
    """Edit messages: the same words in reverse order, which keeps the row's length."""
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
        self._user_share = np.cumsum(_zipf(users, 1.2))
        self._users = 1 + shape.permutation(users)
        self._channel_share = np.cumsum(_zipf(CHANNELS, 1.0))
        self._channels = 1 + shape.permutation(CHANNELS)

    def users(self) -> Iterator[tuple[int, str, int, int, str]]:
        words = self._draw(self._words, self._word_share, len(self._users))
        numbers = self._random.integers(0, 1 << 30, len(self._users)).tolist()
        for user, (word, number) in enumerate(zip(words.tolist(), numbers, strict=True), start=1):
            settings = f'{{"locale":"en","level":{number % 90},"muted":false,"badge":"{number:08x}"}}'
            yield user, f"{word}{number % 1000}", 1_500_000_000_000 + number * 100, number % 1_000_000, settings

    def messages(self, count: int, first_id: int) -> Iterator[Message]:
        for start in range(0, count, BATCH_ROWS):
            rows = min(BATCH_ROWS, count - start)
            ids = first_id + start + np.arange(rows)
            created = FIRST_MESSAGE_MS + ids * 7_000 + self._random.integers(0, 7_000, rows)
            authors = self._draw(self._users, self._user_share, rows)
            channels = self._draw(self._channels, self._channel_share, rows)
            columns = [column.tolist() for column in (ids, channels, authors, created, created)]
            yield from zip(*columns, self._texts(rows), strict=True)

    def _texts(self, rows: int) -> list[str]:
        lengths = self._random.geometric(1 / 12, rows) + 1
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
