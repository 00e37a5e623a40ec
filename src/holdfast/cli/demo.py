"""`holdfast demo`: a small instance to look at in a browser, with two applications and 30 days of their backups.

*bot* is a small bot-like application with a SQLite database, to which it writes while the demo runs; a schedule backs
it up every five minutes. *shop* is a website whose last backup failed.
"""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.demo_apps import keep_writing, make_bot, make_shop
from holdfast.cli.demo_history import begin, first_account, live_through
from holdfast.cli.state import operator

if TYPE_CHECKING:
    from holdfast.catalog.records import App
    from holdfast.service.instance.home import Instance

EMAIL = "demo@holdfast.example"
OPERATOR_EMAIL = "operator@holdfast.example"
PLAN = "Demo"
PLAN_TEXT = f"""
[plans.{PLAN}]
rank = 1
api_backups = true
"""
"""A plan without limits: the demo may be started any number of times."""
BOT_CRON = "*/5 * * * *"
SHOP_CRON = "0 3 * * *"
LINK_SECONDS = 15 * 60
WRITE_EVERY_SECONDS = 0.05


class Demo:
    """One run of the demo."""

    def __init__(self, home: Path, port: int) -> None:
        self._home = home
        self._bot, self._shop = home.parent / "demo-bot", home.parent / "demo-shop"
        self._stop = threading.Event()
        self._writer: threading.Thread | None = None
        self._prepare(port)

    def _prepare(self, port: int) -> None:
        from holdfast.service.instance.home import FORMAT_NAME, open_instance

        make_bot(self._bot)
        make_shop(self._shop)
        if not (self._home / FORMAT_NAME).exists():
            print("Making the demo instance, and 30 days of its backups ...", flush=True)
            started = time.monotonic()
            self._make(port)
            print(f"  made in {_seconds(started)}, in {self._home}", flush=True)
        else:
            print(f"Using the demo instance in {self._home}.", flush=True)
        with_plan = open_instance(self._home)
        try:
            self._set_schedules(with_plan)
        finally:
            with_plan.close()
        self._writer = threading.Thread(target=self._keep_writing, daemon=True)
        self._writer.start()

    def _make(self, port: int) -> None:
        """Make the instance as it was a month ago, and let the month pass."""
        from holdfast.service.instance.config import CONFIG_NAME
        from holdfast.service.instance.home import create_instance, open_instance
        from holdfast.service.registry.apps import add_app

        now_ns = time.time_ns()
        clock = begin(now_ns)
        create_instance(self._home, base_url=f"http://127.0.0.1:{port}", clock=clock).close()
        with (self._home / CONFIG_NAME).open("a") as config:
            config.write(PLAN_TEXT)
        instance = open_instance(self._home, clock=clock)
        try:
            account = first_account(instance, EMAIL, PLAN)
            bot, shop = (
                add_app(instance, account.id, name, path, operator())
                for name, path in (("bot", self._bot), ("shop", self._shop))
            )
            live_through(instance, clock, bot, shop, now_ns)
        finally:
            instance.close()

    def _set_schedules(self, instance: Instance) -> None:
        """From now on the bot is backed up every five minutes, the shop each night."""
        from holdfast.catalog.records import Retention
        from holdfast.service.take.schedule import Schedule, schedule_of, set_schedule

        for app in _apps(instance).values():
            if not schedule_of(app).cron:
                cron = BOT_CRON if app.name == "bot" else SHOP_CRON
                set_schedule(instance, app, Schedule(cron, Retention(keep_last=12, keep_daily=31)), operator())

    def close(self) -> None:
        """Stop the bot."""
        self._stop.set()
        if self._writer is not None:
            self._writer.join()

    def _keep_writing(self) -> None:
        """The bot's messages, as they come in."""
        number = 0
        while not self._stop.wait(WRITE_EVERY_SECONDS):
            number += 1
            keep_writing(self._bot, number)

    def show(self, instance: Instance, port: int) -> None:
        """Print the links to sign in by, what to try, and what a customer would call; back the bot up meanwhile."""
        from holdfast.service.registry.keys import reveal_key

        account = first_account(instance, EMAIL, PLAN)
        base, apps = instance.config.base_url, _apps(instance)
        self._print_links(instance)
        try:
            key = reveal_key(instance, account.id)
            self._back_up(base, key, apps["bot"])
            self._print_calls(base, key, apps)
        except urllib.error.HTTPError as error:
            print(f"The demo's request failed: {error.read().decode()}", file=sys.stderr, flush=True)
        except urllib.error.URLError as error:
            print(f"The demo cannot reach {base} ({error.reason}).", file=sys.stderr, flush=True)
        print("Serving until Ctrl-C.", flush=True)

    def _print_links(self, instance: Instance) -> None:
        from holdfast.service.people.operators import add_operator, list_operators, make_operator_link
        from holdfast.service.people.sign_in import make_sign_in_link

        by, account = operator(), first_account(instance, EMAIL, PLAN)
        found = [one for one in list_operators(instance) if one.email == OPERATOR_EMAIL]
        of_host = found[0] if found else add_operator(instance, OPERATOR_EMAIL, by)
        command = f".venv/bin/holdfast --home {shlex.quote(str(self._home))}"
        print(
            f"""
Open in a browser, once each within 15 minutes:

  as a customer      {make_sign_in_link(instance, account, by, seconds=LINK_SECONDS).url}
  as the operator    {make_operator_link(instance, of_host, by).url}
                     (in another browser or a private window: a browser has one session)

  More of them:      {command} sign-in-link {account.id}
                     {command} operator link {OPERATOR_EMAIL}

What to try there:
  - shop: its last backup failed. See why, and press "Back up now" (its folder is there again).
  - bot: press "Back up now" and watch; open a backup, download it, delete it and undo that.
  - bot: its configuration was restored half an hour ago. Undo this restore.
  - Press ? for the keys; make the window narrow; switch JavaScript off.
""",
            flush=True,
        )

    def _back_up(self, base: str, key: str, app: App) -> None:
        """Take a backup by the API, as a customer's program does."""
        started = time.monotonic()
        try:
            done = _call("POST", f"{base}/v3/apps/{app.id}/backups?wait=90", key)
        except urllib.error.HTTPError as error:
            if error.code not in (409, 429):
                raise
            print(f"{app.name}: {json.load(error)['message']}", flush=True)
            return  # its schedule is backing it up at this moment
        if done["state"] == "failed":
            print(f"The backup of {app.name} failed: {done['error']['message']}", flush=True)
            return
        print(
            f"A backup of {app.name} by the API: {done['files']} files, {done['content_size'] / 1e6:.1f} MB in "
            f"{_seconds(started)}; added {done['stored_size'] / 1e6:.3f} MB to the store.",
            flush=True,
        )

    def _print_calls(self, base: str, key: str, apps: dict[str, App]) -> None:
        print("\nThe API; paste into another shell:\n")
        print(f"  curl -H {shlex.quote(f'Authorization: {key}')} {base}/v3/apps/{apps['bot'].id}/backups\n")
        for name, app in apps.items():
            every = _call("GET", f"{base}/v3/apps/{app.id}/backups?view=full", key)
            url = next(str(one["url"]) for one in reversed(every) if one["is_successful"])
            print(f"  curl -o {name}.zip {shlex.quote(url)} && unzip -tq {name}.zip")
            if name == "bot":
                tar_url = url.replace(".zip?", ".tar.gz?")
                print(f"  curl -o bot.tar.gz {shlex.quote(tar_url)} && tar -tzf bot.tar.gz")
        print(f"\nThe bot is backed up by itself too ({BOT_CRON}). The API's documentation: {base}/docs")


def _apps(instance: Instance) -> dict[str, App]:
    from holdfast.service.registry.apps import list_apps

    return {app.name: app for app in list_apps(instance, first_account(instance, EMAIL, PLAN).id)}


def _seconds(started: float) -> str:
    return f"{time.monotonic() - started:.1f} s"


def _call(method: str, url: str, key: str) -> Any:
    request = urllib.request.Request(url, method=method, headers={"Authorization": key})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["response"]
