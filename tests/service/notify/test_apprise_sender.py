"""Messages through the real apprise: to a receiver and a mail server here, and to nowhere it must not go."""

from __future__ import annotations

import threading

import pytest
from kit.mails import Mails
from kit.receiver import receiving

from holdfast.service.errors import Invalid
from holdfast.service.notify.apprise_process import Guard, Refused
from holdfast.service.notify.apprise_sender import check_url, send
from holdfast.service.notify.egress import Egress
from holdfast.service.notify.webhook import Outcome

ANYWHERE = Egress(allow_private=True)


def test_a_push_message_arrives() -> None:
    with receiving() as receiver:
        url = f"ntfy://localhost:{receiver.port}/backups"
        assert check_url(url, ANYWHERE) == "ntfy (localhost)"
        assert send(url, "bot: backup failed", "The disk is <full>.", "failure", egress=ANYWHERE) == Outcome(None, None)
    (got,) = receiver.received
    assert got.json == {"topic": "backups", "title": "bot: backup failed", "message": "The disk is <full>."}
    assert "github" not in repr(got).lower()


def test_a_mail_arrives(mails: Mails) -> None:
    url = f"{mails.url}?from=backups@example.org&to=ana@example.org"
    assert send(url, "bot: backup failed", "The disk is full.", "failure", egress=ANYWHERE) == Outcome(None, None)
    mail, text = mails.only()
    assert mail["Subject"] == "bot: backup failed"
    assert "ana@example.org" in mail["To"]
    assert "backups@example.org" in mail["From"]
    assert "The disk is full." in text


def test_a_service_that_refuses_is_a_failure() -> None:
    with receiving() as receiver:
        receiver.answers = [(403, {})]
        sent = send(f"gotify://localhost:{receiver.port}/t0ken", "t", "b", "info", egress=ANYWHERE)
    assert sent.error == "Gotify did not take the message; check the URL, its token and its rights."


def test_one_that_hangs_is_ended() -> None:
    with receiving() as receiver:
        wait = threading.Event()
        receiver.before = lambda: wait.wait(20)
        sent = send(f"ntfy://localhost:{receiver.port}/x", "t", "b", "info", egress=ANYWHERE, seconds=1.5)
        wait.set()
    assert sent.error == "ntfy took longer than 1.5 s."


def test_redirects_are_not_followed() -> None:
    with receiving() as receiver, receiving() as elsewhere:
        receiver.answers = [(307, {"Location": elsewhere.url})]
        assert send(f"ntfy://localhost:{receiver.port}/x", "t", "b", "info", egress=ANYWHERE).error
    assert len(receiver.received) == 1
    assert not elsewhere.received


def test_whatever_was_said_of_a_name_before_no_private_address_is_connected_to() -> None:
    with receiving() as receiver:
        sent = send(f"ntfy://localhost:{receiver.port}/x", "t", "b", "info", egress=Egress())
    assert "private or reserved" in (sent.error or "")
    assert not receiver.received


@pytest.mark.parametrize(
    "url",
    [
        *(
            "json://example.org",
            "xml://example.org",
            "form://example.org",
            "syslog://",
            "dbus://",
            "file:///etc/passwd",
        ),
        *(
            "apprise://example.org/token",
            "config://example.org",
            "https+ntfy://x",
            "NTFY://example.org/x",
            "ntfy:x",
            "",
        ),
        "ntfys://example.org/x?attach=/etc/passwd",
        "ntfys://example.org/x?%61ttach=/etc/passwd",
        "ntfys://example.org/x?to=y?attach=/etc/passwd",
        "ntfys://example.org/x?to=y;attach=/etc/passwd",
        "ntfys://example.org/x#?attach=/etc/passwd",
        "ntfys://example.org/x?+header=y",
        "discord://1234567890/abcdefghijklmnop?template=/etc/passwd",
        "mailto://a:b@example.org?pgpprv=/etc/passwd",
        "mailtos://a:b@example.org?verify=no",
        "ntfys://example.org/x\n",
        "ntfys://example.org/" + "x" * 2048,
    ],
)
def test_schemes_and_parameters_that_are_not_on_the_list(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url, ANYWHERE)


@pytest.mark.parametrize(
    "url",
    [
        "ntfy://127.0.0.1/x",
        "gotify://inside.example.org/token",
        "matrixs://u:p@inside.example.org/#room",
        "mailto://a:b@inside.example.org",
        "mailto://a:b@example.org?smtp=169.254.169.254",
        "ntfys://example.org:22/x",
    ],
)
def test_private_hosts_are_refused_at_once(url: str) -> None:
    def resolve(host: str, port: int) -> list[str]:
        return {"inside.example.org": ["10.1.2.3"], "example.org": ["93.184.215.14"]}.get(host, [host])

    with pytest.raises(Invalid, match=r"private|port"):
        check_url(url, Egress(resolve=resolve))


def test_what_is_shown_has_no_token() -> None:
    assert check_url("tgram://123456789:AAbbccddeeffgghhiijjkk_llmmnnoo/12345", Egress()) == "Telegram"
    with pytest.raises(Invalid, match="not a complete URL of Telegram"):
        check_url("tgram://x", Egress())


def test_the_guard_lets_nothing_through_but_public_addresses() -> None:
    guard = Guard(allow_private=False)
    guard("socket.connect", (None, ("1.1.1.1", 443)))
    guard("open", ("/tmp/x", "r", 0))
    for address in (("127.0.0.1", 443), ("example.org", 443), ("::1", 443, 0, 0), "/run/docker.sock", ("1.1.1.1", 22)):
        with pytest.raises(Refused):
            guard("socket.connect", (None, address))
    with pytest.raises(Refused):
        guard("subprocess.Popen", ("sh", ["sh"], None, None))
    assert guard.refused
    assert guard.refused_port == 22
