"""`holdfast mail test`, and `[mail]` as `holdfast.toml` has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.in_process import run_command
from kit.mails import Mails

from holdfast.service.instance.config import ConfigError, checked_config
from holdfast.service.instance.home import create_instance

SERVER = {"host": "127.0.0.1", "from": "backups@example.org"}


def test_a_mail_is_sent_or_the_reason_said(tmp_path: Path, mails: Mails) -> None:
    home = tmp_path / "home"
    create_instance(home).close()
    lines = ["--home", str(home), "mail", "test", "ana@example.org"]
    done = run_command(lines)
    assert (done.exit_code, "set [mail] in holdfast.toml" in str(done.exception)) == (1, True)
    port = mails.url.rpartition(":")[2]
    with (home / "holdfast.toml").open("a") as file:
        file.write(f'\n[mail]\nhost = "127.0.0.1"\nport = {port}\nfrom = "backups@example.org"\ntls = "none"\n')
    done = run_command(lines)
    assert (done.exit_code, done.output) == (0, "A mail is on its way to ana@example.org.\n")
    assert mails.only()[0]["To"] == "ana@example.org"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"user": "x"}, "user and password_file together"),
        ({"user": "x", "password_file": "here"}, "must be an absolute path"),
        ({"host": "mail.example.org", "user": "x", "password_file": "/x", "tls": "none"}, "unencrypted"),
        ({"host": "a/b"}, "mail.host"),
        ({"from": "nobody"}, "mail.from"),
        ({"ssl": True}, "ssl"),
    ],
)
def test_a_server_that_cannot_be_is_refused(more: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        checked_config({"mail": SERVER | more}, "holdfast.toml")
    with pytest.raises(ConfigError, match="both mail_url and"):
        checked_config({"mail": SERVER, "mail_url": "mailto://x"}, "holdfast.toml")
