"""Mail of the instance itself: invitations, links for a new password, a test; by `[mail]` of `holdfast.toml`.

It goes the way of all messages, through apprise's process.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode

from holdfast.service.errors import Conflict
from holdfast.service.instance.config import ConfiguredMail
from holdfast.service.instance.home import Instance
from holdfast.service.notify import apprise_sender
from holdfast.service.notify.egress import Egress, system_resolve

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_MODES = {"starttls": "starttls", "tls": "ssl"}


def has_mail(instance: Instance) -> bool:
    """Return True if the instance can send mail."""
    return bool(instance.config.mail_url or instance.config.mail is not None)


def send_mail(instance: Instance, to: str, title: str, text: str) -> str | None:
    """Send a mail; return None, or why it was not sent, in a sentence for the operator. It may wait for the server."""
    try:
        server = _server_url(instance)
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror}); fix its path in [mail], or its permissions."
    if not server:
        return "The instance has no mail server; set [mail] in holdfast.toml."
    url = f"{server}{'&' if '?' in server else '?'}to={quote(to, safe='')}"
    # The operator chose the server; a customer chooses only whom it writes to.
    return apprise_sender.send(url, title, text, "info", egress=Egress(True, system_resolve)).error


def send_test(instance: Instance, to: str) -> None:
    """Send a mail that says that mail works. Raises Conflict (MAIL_NOT_SENT)."""
    text = f"The mail of the Holdfast at {instance.config.base_url} works."
    error = send_mail(instance, to, "Holdfast: a test", text)
    if error is not None:
        raise Conflict("MAIL_NOT_SENT", f"The mail was not sent: {error}")


def _server_url(instance: Instance) -> str:
    """Return the server's URL, as apprise has it; empty for none. Raises OSError for the password's file."""
    mail = instance.config.mail
    return instance.config.mail_url if mail is None else _url_of(mail)


def _url_of(mail: ConfiguredMail) -> str:
    fields = {"from": mail.sender}
    if mail.tls != "none":
        fields["mode"] = _MODES[mail.tls]
    if mail.user:
        fields |= {"user": mail.user, "pass": Path(mail.password_file).read_text().rstrip("\n")}
    scheme = "mailto" if mail.tls == "none" else "mailtos"
    return f"{scheme}://{mail.host}:{mail.port or _PORTS[mail.tls]}?{urlencode(fields, quote_via=quote)}"
