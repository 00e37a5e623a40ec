"""`holdfast demo`: a small instance with two real applications, both backed up, and one restored.

*checkout* is the source tree that the demo runs in. *bot* is a small bot-like application made here, with a SQLite file
that a writer keeps changing while the demo runs; a schedule backs it up every five minutes.
"""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.state import operator

if TYPE_CHECKING:
    from holdfast.catalog.records import Account, App
    from holdfast.service.instance.home import Instance

EMAIL = "demo@holdfast.example"
PLAN = "Demo"
PLAN_TEXT = f"""
[plans.{PLAN}]
rank = 1
api_backups = true
"""
"""A plan without limits: the demo may be started any number of times."""
BOT_CRON = "*/5 * * * *"
WRITE_EVERY_SECONDS = 0.05
POLL_SECONDS = 0.2
MADE_AGAIN = ("/.*/", "__pycache__/", "*.so", "/dist/")
"""Ignore patterns of the checkout: hidden folders (environments, caches) and what is compiled."""

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


_SPOILED = "spoiled by a mistake\n"


class Demo:
    """One run of the demo."""

    def __init__(self, home: Path, port: int) -> None:
        self._home = home
        self._bot = home.parent / "demo-bot"
        self._stop = threading.Event()
        self._writer: threading.Thread | None = None
        self._prepare(port)

    def _prepare(self, port: int) -> None:
        from holdfast.catalog.records import Retention
        from holdfast.service.instance.config import CONFIG_NAME
        from holdfast.service.instance.home import FORMAT_NAME, create_instance, open_instance
        from holdfast.service.registry.accounts import add_account, list_accounts, set_plan
        from holdfast.service.registry.apps import add_app, list_apps
        from holdfast.service.take.schedule import Schedule, set_schedule

        by = operator()
        made = not (self._home / FORMAT_NAME).exists()
        if made:
            create_instance(self._home, base_url=f"http://127.0.0.1:{port}").close()
        _add_plan(self._home / CONFIG_NAME)
        instance = open_instance(self._home)
        try:
            _make_bot(self._bot)
            accounts = list_accounts(instance)
            account = accounts[0] if accounts else add_account(instance, EMAIL, PLAN, by).account
            if account.plan != PLAN:
                set_plan(instance, account.id, PLAN, by)
            names = {app.name for app in list_apps(instance, account.id)}
            for name, path in (("checkout", _checkout()), ("bot", self._bot)):
                if name not in names:
                    added = add_app(instance, account.id, name, path, by)
                    if name == "bot":
                        set_schedule(instance, added, Schedule(BOT_CRON, Retention(keep_last=12, keep_daily=7)), by)
                    else:
                        set_schedule(instance, added, Schedule("", Retention(keep_last=12), MADE_AGAIN), by)
        finally:
            instance.close()
        print(f"{'Made' if made else 'Using'} the demo instance in {self._home}.", flush=True)
        self._writer = threading.Thread(target=self._keep_writing, daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Stop the bot."""
        self._stop.set()
        if self._writer is not None:
            self._writer.join()

    def _keep_writing(self) -> None:
        """The bot's messages, as they come in."""
        with closing(sqlite3.connect(self._bot / "data" / "bot.sqlite")) as database, database:
            number = 0
            while not self._stop.wait(WRITE_EVERY_SECONDS):
                number += 1
                database.execute(
                    "INSERT INTO messages (author, text) VALUES (?, ?)", (f"user{number % 7}", "hello " * 9)
                )
                database.commit()

    def show(self, instance: Instance, port: int) -> None:
        """Take a backup of each application through the API, and print what a customer would use."""
        from holdfast.service.registry.accounts import list_accounts
        from holdfast.service.registry.apps import list_apps
        from holdfast.service.registry.keys import reveal_key

        account = list_accounts(instance)[0]
        key = reveal_key(instance, account.id)
        base = instance.config.base_url
        try:
            taken = {app.name: self._back_up(base, key, app) for app in list_apps(instance, account.id)}
            apps = {app.name: app for app in list_apps(instance, account.id)}
            if taken.get("bot"):
                self._restore(instance, base, key, apps["bot"], taken["bot"])
            self._print_all(base, key, account, apps)
        except urllib.error.HTTPError as error:
            print(f"The demo's request failed: {error.read().decode()}", file=sys.stderr, flush=True)
        except urllib.error.URLError as error:
            print(f"The demo cannot reach {base} ({error.reason}).", file=sys.stderr, flush=True)

    def _back_up(self, base: str, key: str, app: App) -> str:
        """Take a backup; return its id, or nothing when none came of it."""
        print(f"Taking a backup of {app.name} ({app.path}) ...", flush=True)
        started = time.monotonic()
        try:
            done = _call("POST", f"{base}/v3/apps/{app.id}/backups?wait=90", key)
        except urllib.error.HTTPError as error:
            if error.code not in (409, 429):
                raise
            print(f"  {json.load(error)['message']}", flush=True)
            return ""  # its schedule is backing it up at this moment
        seconds = time.monotonic() - started
        if done["state"] == "failed":
            print(f"  failed: {done['error']['message']}", flush=True)
            return ""
        print(
            f"  {done['files']} files, {done['content_size'] / 1e6:.1f} MB in {seconds:.1f} s; "
            f"added {done['stored_size'] / 1e6:.3f} MB to the store; {len(done['warnings'])} warnings",
            flush=True,
        )
        return str(done["id"])

    def _restore(self, instance: Instance, base: str, key: str, app: App, backup_id: str) -> None:
        """Spoil a file of the bot, bring it back from the backup, and undo that."""
        from holdfast.service.restore.files import request_restore
        from holdfast.service.restore.undo import undo_of

        spoiled = self._bot / "config.json"
        good = _BOT_FILES[spoiled.name]
        spoiled.write_text(_SPOILED)
        print(f"Spoiled {spoiled}; restoring it from the backup ...", flush=True)
        asked = {"paths": [spoiled.name], "mode": "overlay"}
        job = _call("POST", f"{base}/v3/apps/{app.id}/backups/{backup_id}/restore", key, asked)
        done = _ended(base, key, job["id"])
        print(f"  {done['state']}; its content is {'the good one' if spoiled.read_text() == good else 'wrong'} again")
        print("Undoing the restore ...", flush=True)
        safety, _, wanted = undo_of(instance, job["id"], is_inline=False)
        undone = _ended(base, key, request_restore(instance, safety, app, wanted, operator(), undoes=job["id"]).id)
        print(f"  {undone['state']}; its content is: {spoiled.read_text().strip()}", flush=True)
        spoiled.write_text(good)

    def _print_all(self, base: str, key: str, account: Account, apps: dict[str, App]) -> None:
        checkout = apps["checkout"]
        answer = {"status": "success", "response": _call("GET", f"{base}/v3/apps/{checkout.id}/backups", key)}
        every = {name: _call("GET", f"{base}/v3/apps/{app.id}/backups?view=full", key) for name, app in apps.items()}
        good = {
            name: [backup for backup in found if backup["is_successful"] and backup["origin"] != "safety"]
            for name, found in every.items()
        }
        newest = {name: found[-1] for name, found in good.items() if found}
        print("\nThe list of the checkout's backups, as the API gives it:\n")
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        print("\nPaste into another shell:\n")
        print(f"  curl -H {shlex.quote(f'Authorization: {key}')} {base}/v3/apps/{checkout.id}/backups\n")
        for name, backup in newest.items():
            print(f"  curl -o {name}.zip {shlex.quote(str(backup['url']))} && unzip -tq {name}.zip")
        if "bot" in newest:
            tar_url = str(newest["bot"]["url"]).replace(".zip?", ".tar.gz?")
            print(f"  curl -o bot.tar.gz {shlex.quote(tar_url)} && tar -tzf bot.tar.gz")
        command = f".venv/bin/holdfast --home {shlex.quote(str(self._home))}"
        if "bot" in newest:
            print(f"  {command} restore bot {newest['bot']['id']} --path config.json   # and: restore --undo JOB")
        print(f"\n  {command} sign-in-link {account.id}   # its pages: open the link in a browser within a minute")
        print(f"\nThe bot is backed up by itself too ({BOT_CRON}). The API's documentation: {base}/docs")
        print(f"The account is {account.id} with the plan {account.plan}. Serving until Ctrl-C.", flush=True)


def _call(method: str, url: str, key: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": key, **({} if data is None else {"Content-Type": "application/json"})}
    request = urllib.request.Request(url, data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["response"]


def _ended(base: str, key: str, job_id: str) -> Any:
    """Return a job when it is finished."""
    while True:
        job = _call("GET", f"{base}/v3/jobs/{job_id}", key)
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(POLL_SECONDS)


def _add_plan(path: Path) -> None:
    """Add the demo's plan to the configuration of its instance, once."""
    text = path.read_text()
    if PLAN_TEXT not in text:
        path.write_text(text + PLAN_TEXT)


def _checkout() -> Path:
    """The folder of the source tree; for an installed program its package."""
    here = Path(__file__).resolve()
    for folder in here.parents:
        if (folder / "pyproject.toml").exists():
            return folder
    return here.parents[1]


def _make_bot(root: Path) -> None:
    """The bot's folder, made once."""
    for name, text in _BOT_FILES.items():
        path = root / name
        if not path.exists() or path.read_text() == _SPOILED:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (root / "data").mkdir(exist_ok=True)
    (root / "logs").mkdir(exist_ok=True)
    with suppress(FileExistsError):
        os.symlink("commands/ping.py", root / "latest-command.py")
    (root / "bot.py").chmod(0o755)
    with closing(sqlite3.connect(root / "data" / "bot.sqlite")) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, author TEXT, text TEXT)")
        if database.execute("SELECT count(*) FROM messages").fetchone()[0] < 20_000:
            database.executemany(
                "INSERT INTO messages (author, text) VALUES (?, ?)",
                ((f"user{i % 97}", f"message {i}: " + "lorem ipsum " * (i % 9)) for i in range(20_000)),
            )
