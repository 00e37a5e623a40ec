"""Where passwords of databases are read, and when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.sources.databases.errors import PasswordMissing
from holdfast.sources.databases.passwords import password_of
from holdfast.sources.databases.spec import DatabaseSpec


def spec(**where: str) -> DatabaseSpec:
    return DatabaseSpec(name="shop", kind="postgres", dsn="postgresql://h/shop", **where)


def test_from_the_environment() -> None:
    assert password_of(spec(password_env="PW"), {"PW": "geh eim:"}) == "geh eim:"
    assert password_of(spec(), {"PGPASSWORD": "x"}) == ""
    with pytest.raises(PasswordMissing, match="PW"):
        password_of(spec(password_env="PW"), {})


def test_from_a_file_that_nobody_else_can_read(tmp_path: Path) -> None:
    file = tmp_path / "pw"
    file.write_text("geheim\nnot this\n")
    file.chmod(0o600)
    assert password_of(spec(password_file=str(file))) == "geheim"
    file.chmod(0o640)
    with pytest.raises(PasswordMissing, match="chmod 600"):
        password_of(spec(password_file=str(file)))
    file.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(file)
    for bad in (link, tmp_path, tmp_path / "missing"):
        with pytest.raises(PasswordMissing):
            password_of(spec(password_file=str(bad)))
    file.write_text("")
    with pytest.raises(PasswordMissing, match="password of the database"):
        password_of(spec(password_file=str(file)))
