"""Records of what the host has under its own ids."""

from __future__ import annotations

import msgspec

from holdfast.catalog.records import Account, App


class HostAccount(msgspec.Struct, frozen=True):
    """An account with what only its host asks for. `updated_at`: of its last change; `erase_at`: None for never."""

    account: Account
    updated_at: int
    erase_at: int | None

    @property
    def id(self) -> str:
        """The account's id."""
        return self.account.id


class HostApp(msgspec.Struct, frozen=True):
    """An application with what only its host asks for. `account`: the external id of its account."""

    app: App
    updated_at: int
    account: str | None

    @property
    def id(self) -> str:
        """The application's id."""
        return self.app.id
