"""The mail that tells the owners of an account that it will be erased, or that it is kept after all."""

from __future__ import annotations

from holdfast.catalog.records import Account, Actor
from holdfast.schemas.times import iso
from holdfast.service.instance.home import Instance


def erasure_mail(instance: Instance, account: Account, erase_at: int | None, by: Actor) -> tuple[str, str]:
    """Return its title and its text. `erase_at`: when the account is erased, nanoseconds; None: it is kept."""
    base_url = instance.config.base_url.rstrip("/")
    where = f"the account {account.email} at {base_url}"
    if erase_at is None:
        return "Your backups are kept", f"{by.name} decided that {where} is not erased. Nothing was erased."
    return "Your backups will be erased", (
        f"{by.name} asked that {where} be erased with all its backups.\n\n"
        f"It happens at {iso(erase_at, instance.zone)}, and cannot be undone after that. Until then everything works "
        "as before. To keep the account, sign in and press 'Keep the account', on any page:\n\n"
        f"{base_url}/account/erase\n\n"
        "If you did not expect this, keep the account, change your password, and ask your host."
    )
