"""Passwords of databases: read when needed, passed on in the environment or in memory, stored nowhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from holdfast.sources.databases.errors import PasswordMissing
from holdfast.sources.databases.spec import DatabaseSpec

PASSWORD_BYTES_MAX = 4096


def password_of(spec: DatabaseSpec, environment: Mapping[str, str] = os.environ) -> str:
    """Return the password of a database; empty where none is given. Raises PasswordMissing, whose message has none."""
    if spec.password_env:
        found = environment.get(spec.password_env)
        if not found:
            raise PasswordMissing(
                f"The password of the database {spec.name} is not in the environment variable {spec.password_env}; "
                "set it for the process that takes the backups (where Holdfast is started)."
            )
        return _one_line(spec, found, f"the environment variable {spec.password_env}")
    if spec.password_file:
        return _one_line(spec, _first_line(spec), f"the file {spec.password_file}")
    return ""


def _first_line(spec: DatabaseSpec) -> str:
    where = f"The password file {spec.password_file} of the database {spec.name}"
    try:
        fd = os.open(spec.password_file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise PasswordMissing(f"{where} cannot be opened ({error.strerror}); put it there, mode 0600.") from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise PasswordMissing(f"{where} is not a file; write the password into the first line of one.")
        if found.st_uid not in (os.geteuid(), 0):
            raise PasswordMissing(f"{where} belongs to another user; it must be owned by the user who runs Holdfast.")
        if found.st_mode & 0o077:
            raise PasswordMissing(f"{where} can be read by others; run `chmod 600 {spec.password_file}`.")
        head = os.read(fd, PASSWORD_BYTES_MAX)
    finally:
        os.close(fd)
    try:
        return head.decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise PasswordMissing(f"{where} is not UTF-8 text.") from None


def _one_line(spec: DatabaseSpec, password: str, where: str) -> str:
    if not password:
        raise PasswordMissing(f"The password of the database {spec.name} is missing from {where}.")
    if not password.isprintable() and any(ord(c) < 32 for c in password):
        raise PasswordMissing(f"The password of the database {spec.name} in {where} contains control characters.")
    return password


def scrubbed(text: str, password: str) -> str:
    """Return another program's text with the password removed."""
    return text.replace(password, "***") if password else text
