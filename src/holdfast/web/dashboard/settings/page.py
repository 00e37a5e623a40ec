"""The page of the settings, as it is shown at first, and again with what was wrong about a form."""

from __future__ import annotations

from typing import Any, NamedTuple

from litestar.types import Scope

from holdfast.catalog.records import Account, App
from holdfast.schemas.backups import NAME_CHARACTERS_MAX
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps
from holdfast.service.registry.accounts import plan_of
from holdfast.service.registry.databases import databases_of
from holdfast.service.take.import_backup import takes_archives
from holdfast.service.take.source import import_limits
from holdfast.web.dashboard import words
from holdfast.web.dashboard.apps.schedule_form import kept_words, when_words
from holdfast.web.dashboard.render import app_frame, page
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http.envelope import Answer
from holdfast.web.http.errors import ApiError

SETTINGS = "/apps/{app_id:str}/settings"
NAME, IMPORT = "name", "import"
"""The forms of the page, which are its sections too."""

_KINDS = {"postgres": "PostgreSQL", "mariadb": "MariaDB", "redis": "Redis"}


class Refused(NamedTuple):
    """A form that was refused. `form`: its name; `fields`: as they were sent."""

    form: str
    error: ServiceError | ApiError
    fields: dict[str, str]


def settings_path(app_id: str, form: str = "") -> str:
    """The path of the page, or of one of its forms."""
    return f"/apps/{app_id}/settings" + (f"/{form}" if form else "")


def settings_page(
    scope: Scope, instance: Instance, caller: Caller, token: str, app_id: str, refused: Refused | None = None
) -> Answer:
    """The page. Raises NotFound."""
    app = apps.get_app(instance, caller.account.id, app_id)
    path = settings_path(app_id)
    return page(
        scope,
        "settings/all.html",
        200 if refused is None else refused.error.http_status,
        refused.error.headers if refused is not None and isinstance(refused.error, ApiError) else [],
        frame=app_frame(caller, str(zone_of(instance)), app, "settings"),
        path=path,
        refused="" if refused is None else refused.form,
        error="" if refused is None else refused.error.message,
        fields={} if refused is None else refused.fields,
        name=_name_form(caller, token, app),
        backed_up=_backed_up(instance, caller.account, app),
        uploads=_import_form(instance, caller, token, app),
        name_characters_max=NAME_CHARACTERS_MAX,
        base_url=instance.config.base_url.rstrip("/"),
        app_id=app_id,
    )


def _name_form(caller: Caller, token: str, app: App) -> dict[str, Any]:
    """The form of the name; without a token it is only shown."""
    may_change = caller.may(Right.ACCOUNT_WRITE, app.id) and app.external_id is None
    path = settings_path(app.id, NAME)
    return {
        "action": path,
        "token": form_token(token, path) if may_change else "",
        "value": app.name,
        "is_hosts": app.external_id is not None,
    }


def _backed_up(instance: Instance, account: Account, app: App) -> dict[str, Any]:
    """The contents of a backup of the application; nothing of it names the operator's machine.

    `plan`: the name of one that has no backups.
    """
    settings = app.settings
    return {
        "patterns": settings.ignore,
        "restored": [one.path for one in settings.restored],
        "databases": [(one.name, _KINDS[one.kind]) for one in databases_of(instance, app)],
        "when": when_words(settings.cron),
        "kept": kept_words(settings.retention),
        "has_ended": app.ended_at is not None,
        "plan": "" if plan_of(instance, account).api_backups else account.plan,
    }


def _import_form(instance: Instance, caller: Caller, token: str, app: App) -> dict[str, Any] | None:
    """The form that sends an archive; None for whoever may not."""
    if not (takes_archives(instance, caller.account, app) and caller.may(Right.BACKUPS_IMPORT, app.id)):
        return None
    path, most = settings_path(app.id, IMPORT), import_limits(instance, caller.account).content_bytes_max
    return {
        "action": path,
        "token": form_token(token, path),
        "bytes_max": most,
        "size_max": words.size(most),
        "too_large": _(TOO_LARGE, size=words.size(most)),
    }


TOO_LARGE = N_("The file is larger than the %(size)s that may be imported; nothing was sent.")
"""Said by a browser before it sends anything."""
