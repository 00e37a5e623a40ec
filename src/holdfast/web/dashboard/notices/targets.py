"""Targets: the fields that a form asks for, and the URL of an endpoint that they make.

A field's value is quoted into the URL: it must never become another part of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from holdfast.service.errors import Invalid
from holdfast.service.language.texts import N_, _

_DISCORD = re.compile(r"https://(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(\d+)/([\w-]+)/?")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ADDRESS = re.compile(r"[^\s@,]{1,64}@([A-Za-z0-9.-]{1,253})")


class Field(NamedTuple):
    """A field of a target's form. `kind`: the type of its input; `default`: what it has at first."""

    name: str
    text: str
    kind: str = "text"
    hint: str = ""
    default: str = ""
    is_required: bool = True


class Target(NamedTuple):
    """A kind of endpoint. `help`: where its fields are found; `url`: makes the URL; raises Invalid."""

    name: str
    text: str
    help: str
    fields: tuple[Field, ...]
    url: Callable[[Mapping[str, str]], str]


def _discord(fields: Mapping[str, str]) -> str:
    found = _DISCORD.fullmatch(fields["address"])
    if found is None:
        raise Invalid("url", _("That is not the address of a Discord webhook: copy it once more from the channel."))
    return f"discord://{found[1]}/{found[2]}"


def _mail(fields: Mapping[str, str]) -> str:
    sender, to = _ADDRESS.fullmatch(fields["from"]), _ADDRESS.fullmatch(fields["to"])
    if sender is None or to is None:
        raise Invalid("url", _("Write both e-mail addresses like name@example.org."))
    host = _host(fields["server"])
    named = {"smtp": host.partition(":")[0], "user": fields["from"], "from": fields["from"], "to": fields["to"]}
    port = host.partition(":")[2]
    where = sender[1] + (f":{port}" if port else "")
    secret = quote(fields["password"], safe="")
    return f"mailtos://{quote(fields['from'].partition('@')[0], safe='')}:{secret}@{where}?{urlencode(named)}"


def _ntfy(fields: Mapping[str, str]) -> str:
    if _TOPIC.fullmatch(fields["topic"]) is None:
        raise Invalid("url", _("A topic has letters, digits, - and _, at most 64 of them."))
    token = f"?{urlencode({'token': fields['token'], 'auth': 'token'})}" if fields["token"] else ""
    return f"ntfys://{_host(fields['server'])}/{fields['topic']}{token}"


def _webhook(fields: Mapping[str, str]) -> str:
    return fields["address"]


def _host(text: str) -> str:
    """The name of a server, and its port, as somebody wrote it."""
    host = text.removeprefix("https://").rstrip("/")
    if _HOST.fullmatch(host) is None:
        raise Invalid("url", _("Write the server like mail.example.org, or mail.example.org:465."))
    return host


TARGETS = (
    Target(
        "discord",
        N_("Discord"),
        N_("In Discord: edit the channel, Integrations, Webhooks, New webhook, Copy webhook URL."),
        (Field("address", N_("Webhook URL"), "url", "https://discord.com/api/webhooks/…"),),
        _discord,
    ),
    Target(
        "mail",
        N_("E-mail"),
        N_("Mail is sent through a mailbox of yours. Use a password made for this, if your provider has such."),
        (
            Field("to", N_("To"), "email", "you@example.org"),
            Field("from", N_("Mailbox that sends it"), "email", "backups@example.org"),
            Field("server", N_("Its outgoing server (SMTP)")),
            Field("password", N_("Its password"), "password"),
        ),
        _mail,
    ),
    Target(
        "ntfy",
        N_("ntfy"),
        N_("Subscribe to the same topic in the app. Whoever knows its name can read it, so choose a long one."),
        (
            Field("topic", N_("Topic")),
            Field("server", N_("Server"), default="ntfy.sh"),
            Field("token", N_("Access token (empty: none)"), "password", is_required=False),
        ),
        _ntfy,
    ),
    Target(
        "webhook",
        N_("Webhook"),
        N_("Signed JSON by POST, as Standard Webhooks has it. The secret is shown once, when it is added."),
        (Field("address", N_("Address"), "url", "https://example.org/hook"),),
        _webhook,
    ),
    Target(
        "other",
        N_("Other"),
        N_("Slack, Telegram, Matrix, Teams, Gotify, Pushover and others, by their apprise URL."),
        (Field("address", N_("apprise URL")),),
        _webhook,
    ),
)
"""All targets, in the order of their choice."""


def target_named(name: str) -> Target:
    """The target of a name; the first for a name that none has."""
    return next((target for target in TARGETS if target.name == name), TARGETS[0])


def url_from(target: Target, fields: Mapping[str, str]) -> str:
    """The URL that a form's fields make. Raises Invalid."""
    given = {field.name: fields.get(field.name, "").strip() for field in target.fields}
    if any(field.is_required and not given[field.name] for field in target.fields):
        raise Invalid("url", _("Fill in all fields."))
    return target.url(given)
