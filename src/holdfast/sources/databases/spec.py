"""The settings of a database, as the operator gives them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

FOLDER = "_databases"
"""The folder of dumps in a backup."""

Kind = Literal["postgres", "mariadb", "redis"]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]

EXTENSIONS: dict[Kind, str] = {"postgres": "pgdump", "mariadb": "sql", "redis": "rdb"}


class DatabaseSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One database of an application. `dsn`: a URL without password, as `postgresql://user@host:5432/name`.

    The password is the value of the environment variable `password_env` of the process that takes the backup, or the
    first line of `password_file`, which only its owner may read; with neither, the server must not want one.
    """

    name: Name
    kind: Kind
    dsn: str
    password_env: str = ""
    password_file: str = ""

    @property
    def path(self) -> bytes:
        """Return the path of its dump in a backup."""
        return f"{FOLDER}/{self.name}.{EXTENSIONS[self.kind]}".encode()
