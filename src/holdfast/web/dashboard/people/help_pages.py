"""`/help`: ten answers for customers, and where what they are about is done."""

from __future__ import annotations

from typing import NamedTuple

from litestar import get
from litestar.handlers import HTTPRouteHandler

from holdfast.service.language.texts import N_
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, require_session
from holdfast.web.dashboard.render import Frame, page
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http.envelope import Answer

HELP_PATH = "/help"


class Help(NamedTuple):
    """A question and its answer, a paragraph each. `name`: of its place in the page; `link`: a page's path and name."""

    name: str
    question: str
    answer: tuple[str, ...]
    link: tuple[str, str] | None = None


ANSWERS = (
    Help(
        "contents",
        N_("What is in a backup?"),
        (
            N_(
                "All files of your application's folder as they were at that moment, and its SQLite databases as "
                "a whole, also while the application writes to them. Other databases are in it if your host has "
                "added them."
            ),
            N_(
                "What your ignore patterns name is left out. Files that could not be read are left out too, and "
                "the backup's page names each of them."
            ),
        ),
    ),
    Help(
        "when",
        N_("When is it backed up, and what is kept?"),
        (
            N_(
                "As the schedule of the application says. Its page shows the next five runs and which backups "
                "stay for how long. A locked backup always stays."
            ),
        ),
    ),
    Help(
        "file",
        N_("How do I get one file?"),
        (
            N_(
                "Open Files in the application, go to the file or search for it, and download it. Its page also "
                "shows the other versions of it. Several are ticked and come as one .zip."
            ),
        ),
    ),
    Help(
        "everything",
        N_("How do I get everything?"),
        (
            N_(
                "Every backup downloads as a .zip, which any system opens, or as a .tar.gz, which keeps owners "
                "and links too. A download that broke off goes on where it stopped."
            ),
        ),
    ),
    Help(
        "restore",
        N_("What does a restore change?"),
        (
            N_(
                "Nothing before you have seen it: the page first counts the files that would change, come back or"
                " be removed. Then everything is laid beside the application, checked, and put in place at once."
            ),
            N_(
                "A backup of what was there is made before, so each restore can be undone. Stop your application "
                "while it is restored."
            ),
        ),
    ),
    Help(
        "deleted",
        N_("I deleted a backup by mistake. Is it gone?"),
        (
            N_(
                "Not for 24 hours: until then it lies in the trash, counts in no limit, and its row has Undo. "
                "After that nobody can bring it back."
            ),
        ),
    ),
    Help(
        "sizes",
        N_("Why are there several sizes?"),
        (
            N_(
                "In a backup: all its files together. New in it: what no backup before it had, which is all that "
                "it added. Stored for all: what your backups together take, which your plan counts."
            ),
        ),
        ("/account/plan", N_("Your plan and what is used")),
    ),
    Help(
        "trust",
        N_("How do I know that it can be restored?"),
        (
            N_(
                "Proved means: a test restore brought back every file and each was compared. Read back means: all"
                " that is stored was read and checked again. A backup's page says when that was, and what was "
                "found."
            ),
        ),
    ),
    Help(
        "private",
        N_("Can my host read it?"),
        (
            N_(
                "Yes, just as it can read your application itself: the backups are made on its machine, with a key "
                "kept there. They are stored encrypted, so whoever has only the storage, a stolen disk or a "
                "cloud's bucket, reads nothing. Other customers never can."
            ),
        ),
    ),
    Help(
        "failed",
        N_("A backup failed. What now?"),
        (
            N_(
                "Your earlier backups are as good as before. The page of the failed one says what happened, who "
                "must act and when it is tried again. Notices tell you without looking: by mail, Discord, ntfy or"
                " a webhook."
            ),
        ),
        ("/notices", N_("Notices")),
    ),
)


def help_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @get(HELP_PATH, opt=OPEN)
    @as_page
    async def answers(request: AnyRequest) -> Answer:
        caller, _ = require_session(context, request.scope)
        frame = Frame(caller.actor.name, str(zone_of(context.instance)), tab="help")
        return page(request.scope, "help.html", frame=frame, answers=ANSWERS)

    return [answers]
