"""Names that would be markup, in every place that somebody else's words get into, and what became of them in a page.

The names are put into the catalog's rows themselves: what a route refuses today may be there since yesterday.
"""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser

from holdfast.catalog.events.deliveries import insert_delivery
from holdfast.catalog.events.records import Delivery, DeliveryState
from holdfast.catalog.records import SYSTEM
from holdfast.schemas.keys import NewKey
from holdfast.schemas.people.members import NewMember
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.notify.messages import TEST_KIND
from holdfast.service.people.giving import Giver
from holdfast.service.people.invitations import invite
from holdfast.service.people.keys import make_key
from holdfast.service.people.rights import ALL
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.trash import delete_backup
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted
from kit.site import Site

MARK = "zz"
"""In the name of each element and attribute that a hostile name would make."""

MARKUP = "</title></textarea></script>--><zz-a zz-b=1>\" zz-c=\"x\" onzz='' ' zz-d='{{7*7}}"

FILES = ("<zz-e zz-f='1'>.txt", '" zz-g="1', "' zz-h='1'>&lt;zz-i&gt;", "{% zz %}\n<zz-j>\u202e.html")

COLUMNS = (
    *(("accounts", "name"), ("accounts", "external_id"), ("people", "email"), ("people", "name")),
    *(("invitations", "email"), ("apps", "name"), ("apps", "external_id"), ("endpoints", "label"), ("keys", "name")),
    *(("backups", "name"), ("backups", "note"), ("backups", "reference"), ("backups", "error_message")),
    *(("backups", "error_detail"), ("jobs", "error_message"), ("jobs", "error_detail"), ("deliveries", "error")),
    *(("sessions", "agent"), ("audit", "actor_name"), ("audit", "data"), ("backups", "warnings"), ("apps", "settings")),
)
"""The columns with words of somebody else."""

UNSEEN = frozenset(
    {("backups", "reference"), ("jobs", "error_detail"), ("apps", "external_id"), ("people", "name")}
    | {("audit", "data")}
)
"""Those that no page shows as they are: the audit's data is shown as JSON, in which quotes have a backslash."""


def fill(site: Site) -> dict[str, str]:
    """Have a row for each name; return the ids of what the paths of pages name."""
    instance, account = site.instance, site.silver.account
    for number, name in enumerate(FILES):
        path = os.fsencode(site.folder) + b"/" + name.replace("/", "\u2215").encode()
        with open(path, "w") as file:
            file.write(f"{number} {MARKUP}")
    folder = site.folder / "<zz-k>"
    folder.mkdir()
    (folder / "<zz-l>").symlink_to("<zz-m zz-n=1>")
    first = site.take()
    (site.folder / FILES[0]).write_text("another length")
    newer, trashed, failed = site.take(), site.take(), site.take()
    with instance.catalog.write() as connection:
        connection.exec_driver_sql(
            "UPDATE backups SET state = 'failed', error_code = 'SOURCE_MISSING', error_message = 'x' WHERE id = ?",
            (failed.id,),
        )
    delete_backup(instance, trashed, SYSTEM)
    job = request_restore(instance, newer, site.app, Wanted(mode="overlay"), SYSTEM)
    with instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET state = 'failed', error_code = 'TARGET_FULL'")
    add_app(instance, account.id, "wiki", site.folder, SYSTEM)
    endpoint = add_endpoint(instance, account.id, "discord://1/a", SYSTEM).endpoint
    now = instance.clock.now_ns()
    sent = Delivery(
        "d", endpoint.id, account.id, None, TEST_KIND, "{}", DeliveryState.FAILED, 1, None, now, now, 500, "x"
    )
    insert_delivery(instance.catalog, sent, SYSTEM)
    giver = Giver(SYSTEM, ALL)
    make_key(instance, account.id, NewKey(name="panel", group="view"), giver)
    invite(instance, account, NewMember(email="eva@example.org", group="view"), giver)
    return {
        "app_id": site.app.id,
        "backup": newer.id,
        "first": first.id,
        "failed": failed.id,
        "trashed": trashed.id,
        "job_id": job.id,
        "webhook_id": endpoint.id,
        "account_id": account.id,
    }


def plant(site: Site, words: str) -> dict[tuple[str, str], str]:
    """Put markup behind some words into all columns; return what is in each, without what makes it unique."""
    planted = {}
    with site.instance.catalog.write() as connection:
        for number, (table, column) in enumerate(COLUMNS):
            name = f"{words}{MARKUP} {number:02}"
            planted[table, column] = name
            value = name
            if column == "warnings":
                value = json.dumps([{"path": name, "code": "DAMAGED", "message": name}])
            elif column == "settings":
                value = json.dumps({"ignore": [name]})
            elif column == "data":
                value = json.dumps({"name": name, name: {"before": name}})
            is_json = column in ("warnings", "settings", "data")
            text = "?" if is_json else "? || rowid"
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = {text}", (value,))
    return planted


class Markup(HTMLParser):
    """What a page is made of. `faults`: what came of a name; `words`: all texts and values of attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self._words: list[str] = []
        self.feed(page)
        self.close()

    @property
    def words(self) -> str:
        return "\n".join(self._words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if MARK in tag:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            self._words.append(value or "")
            if MARK in name or name.startswith("on") or name in ("style", "srcdoc"):
                self.faults.append(f"{name}={value!r} of <{tag}>")
            if name in ("href", "src", "action", "formaction") and (value or "").lstrip().startswith("javascript:"):
                self.faults.append(f"{value} of <{tag}>")

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def handle_comment(self, data: str) -> None:
        self.faults += [f"<!--{data}-->"] if MARK in data else []

    def handle_decl(self, decl: str) -> None:
        self.faults += [f"<!{decl}>"] if MARK in decl else []

    def handle_pi(self, data: str) -> None:
        self.faults += [f"<?{data}>"] if MARK in data else []
