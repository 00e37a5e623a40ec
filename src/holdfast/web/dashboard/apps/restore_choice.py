"""The choices of a restore, as the query of its page has them: what, where, how."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, cast
from urllib.parse import urlencode

from litestar.types import Scope

from holdfast.service.language.texts import _
from holdfast.service.registry.restored_folders import checked_into
from holdfast.service.restore.plan import RestoreMode, Wanted
from holdfast.web.http import request as inputs

CHOSEN_PATHS_MAX = 500
PATHS_SHOWN = 8
_FIELDS = ("backup", "what", "where", "target", "into", "how", "again", "refused")
_MODES = {"mirror": "mirror", "overlay": "overlay"}


class Where(StrEnum):
    """The place that a restore goes to. `download`: none, it is only fetched."""

    HERE = "here"
    BESIDE = "beside"
    OTHER = "other"
    DOWNLOAD = "download"


class Choice(NamedTuple):
    """The choices. `is_ticked`: only `paths`, else everything; `again`: a comparison must be newer, nanoseconds."""

    backup: str = ""
    is_ticked: bool = False
    paths: tuple[str, ...] = ()
    where: Where = Where.HERE
    target: str = ""
    into: str = ""
    mode: RestoreMode = "mirror"
    again: int = 0

    @property
    def wanted(self) -> Wanted:
        """The restore that is chosen. Raises Invalid (INTO)."""
        into = checked_into(self.into) if self.where is Where.BESIDE else None
        return Wanted(paths=self.paths if self.is_ticked else (), mode=self.mode, into=into)

    @property
    def missing(self) -> str | None:
        """A sentence for what is still to be chosen; None when nothing is."""
        if self.is_ticked and not self.paths:
            return _("Nothing is ticked: open the files of the backup, and tick what you want back.")
        if self.where is Where.OTHER and not self.target:
            return _("Choose the application that it is to be restored into.")
        return None


def choice_of(scope: Scope) -> Choice:
    """The choices in a query; what it does not name, or names wrongly, is as it is first shown. Raises BadRequest."""
    fields = inputs.query_lists(scope, CHOSEN_PATHS_MAX + len(_FIELDS), *_FIELDS, "paths")
    one = {name: values[-1] for name, values in fields.items() if name != "paths"}
    paths = tuple(dict.fromkeys(path for path in fields.get("paths", ()) if path))
    where = one.get("where", "")
    again = one.get("again", "")
    return Choice(
        backup=one.get("backup", ""),
        is_ticked=one.get("what", "ticked" if paths else "all") == "ticked",
        paths=paths,
        where=Where(where) if where in set(Where) else Where.HERE,
        target=one.get("target", ""),
        into=one.get("into", ""),
        mode=cast("RestoreMode", _MODES.get(one.get("how", ""), "mirror")),
        again=int(again) if again.isascii() and again.isdigit() and len(again) < 20 else 0,
    )


def query_of(choice: Choice, **more: str | int) -> str:
    """The query that has these choices. `more`: fields besides."""
    fields: list[tuple[str, str | int]] = [("backup", choice.backup), ("what", "ticked" if choice.is_ticked else "all")]
    fields += [("paths", path) for path in choice.paths]
    fields += [("where", choice.where.value), ("how", choice.mode)]
    fields += [(name, value) for name, value in (("target", choice.target), ("into", choice.into)) if value]
    return urlencode([*fields, *more.items()])
