"""The demo's applications: their folders, small and made once."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

_BOT_FILES = {
    "bot.py": (
        'import json\nimport sqlite3\n\nCONFIG = json.load(open("config.json"))\n\n\n'
        "def on_message(author, text):\n"
        '    with sqlite3.connect("data/bot.sqlite") as db:\n'
        '        db.execute("INSERT INTO messages (author, text) VALUES (?, ?)", (author, text))\n'
    ),
    "config.json": '{\n  "prefix": "!",\n  "language": "pt-BR",\n  "shards": 1\n}\n',
    "requirements.txt": "discord.py==2.6.0\n",
    "commands/ping.py": 'async def ping(context):\n    await context.send("pong")\n',
    "commands/ajuda.py": 'async def ajuda(context):\n    await context.send("Comandos: !ping, !ajuda")\n',
    "locales/日本語.json": '{"hello": "こんにちは"}\n',
    "locales/العربية.json": '{"hello": "مرحبا"}\n',
    "assets/emoji 😀.txt": "a file with an emoji in its name\n",
}
_SHOP_FILES = {
    "index.html": "<!doctype html>\n<title>The shop</title>\n<h1>Twelve kinds of tea</h1>\n",
    "style.css": "body { font-family: sans-serif; }\n",
    "orders.csv": "order,tea,grams\n",
}
CHANGED = '{\n  "prefix": "?",\n  "language": "pt-BR",\n  "shards": 8\n}\n'
"""The bot's configuration as somebody changed it, before it was restored."""


def make_bot(root: Path) -> None:
    """The bot's folder: a program, with names of all kinds."""
    _write(root, _BOT_FILES)
    (root / "data").mkdir(exist_ok=True)
    (root / "logs").mkdir(exist_ok=True)
    with suppress(FileExistsError):
        os.symlink("commands/ping.py", root / "latest-command.py")
    (root / "bot.py").chmod(0o755)


def make_database(root: Path) -> None:
    """The bot's SQLite database, with its messages so far."""
    with closing(sqlite3.connect(root / "data" / "bot.sqlite")) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, author TEXT, text TEXT)")
        if database.execute("SELECT count(*) FROM messages").fetchone()[0] < 20_000:
            database.executemany(
                "INSERT INTO messages (author, text) VALUES (?, ?)",
                ((f"user{i % 97}", f"message {i}: " + "lorem ipsum " * (i % 9)) for i in range(20_000)),
            )


def make_shop(root: Path) -> None:
    """The shop's folder: a website and its orders."""
    _write(root, _SHOP_FILES)


def a_day_passes(bot: Path, shop: Path, day: int) -> None:
    """Add a day to the applications: the bot's log, and the shop's orders."""
    log = "\n".join(f"{day:02} {hour:02}:{minute:02} pong" for hour in range(24) for minute in range(60))
    (bot / "logs" / f"day-{day:02}.log").write_text(log + "\n")
    with (shop / "orders.csv").open("a") as orders:
        orders.writelines(f"{day:02}-{order:03},tea {order % 12},{50 + order % 7 * 50}\n" for order in range(40))


def keep_writing(bot: Path, number: int) -> None:
    """One message that the bot takes down."""
    with closing(sqlite3.connect(bot / "data" / "bot.sqlite")) as database, database:
        database.execute("INSERT INTO messages (author, text) VALUES (?, ?)", (f"user{number % 7}", "hello " * 9))


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
