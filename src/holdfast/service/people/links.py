"""Download links with an end: made, listed, ended alone; and the end of all download links of an account.

A link is signed with the account's link secret, over the backup, the format and the end (`registry/link_keys.py`), and
stands in the catalog until its end, so that it can be ended before.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from urllib.parse import quote

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import links as rows
from holdfast.catalog.people.records import Link
from holdfast.catalog.records import Account, Actor, Backup, new_id
from holdfast.schemas import links as schemas
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.backups import require_usable
from holdfast.service.registry.link_keys import account_keys
from holdfast.units import SECOND_NS

LINKS_MAX = 1000
"""Open ones of one account."""

FORMATS = ("zip", "tar.gz")


def make_link(instance: Instance, backup: Backup, wanted: schemas.NewLink, by: Actor) -> tuple[Link, str]:
    """Make a link to a backup; return it with its URL.

    Raises Invalid (EXPIRES_IN, FORMAT), Conflict (BACKUP_NOT_USABLE, TOO_MANY_LINKS), KeyMismatch.
    """
    if not schemas.LINK_SECONDS_MIN <= wanted.expires_in <= schemas.LINK_SECONDS_MAX:
        raise Invalid(
            "expires_in",
            f"expires_in must be a whole number of seconds from {schemas.LINK_SECONDS_MIN} to "
            f"{schemas.LINK_SECONDS_MAX}.",
        )
    if wanted.format not in FORMATS:
        raise Invalid("format", "format must be 'zip' or 'tar.gz'.")
    require_usable(backup, "downloaded")
    now_ns = instance.clock.now_ns()
    link = Link(
        id=new_id(now_ns),
        account_id=backup.account_id,
        app_id=backup.app_id,
        backup_id=backup.id,
        format=wanted.format,
        made_by=by,
        created_at=now_ns,
        ends_at=(now_ns // SECOND_NS + wanted.expires_in) * SECOND_NS,
    )
    data = {"link_id": link.id, "format": link.format, "expires_in": wanted.expires_in}
    change = Change(by, "link.created", link.account_id, link.app_id, link.backup_id, data=data)
    try:
        made = rows.add_link(instance.catalog, link, change, LINKS_MAX)
    except rows.TooManyLinks:
        raise Conflict(
            "TOO_MANY_LINKS", f"The account has {LINKS_MAX} open links, which is the maximum; end one first."
        ) from None
    return made, _url(instance, backup, made)


def _url(instance: Instance, backup: Backup, link: Link) -> str:
    sealed = instance.prepared.link_secret(link.account_id)
    if sealed is None:
        raise NotFound("ACCOUNT_NOT_FOUND", "The account is there no more.")
    expires = link.ends_at // SECOND_NS
    signature = account_keys(instance, link.account_id, sealed).signature(
        link.account_id, link.backup_id, link.format, expires
    )
    place = f"{link.account_id}_{quote(backup.name, safe='')}.{link.format}"
    return f"{instance.config.downloads_url}/{place}?expires={expires}&signature={signature}"


def list_links(instance: Instance, account_id: str, app_ids: Collection[str] | None = None) -> list[Link]:
    """Return the open links of an account, oldest first; of some of its applications only, if those are given."""
    return rows.links_of(instance.catalog, account_id, instance.clock.now_ns(), app_ids)


def get_link(instance: Instance, account_id: str, link_id: str) -> Link:
    """Return an open link of an account. Raises NotFound, also for another account's."""
    link = rows.link_by_id(instance.catalog, account_id, link_id)
    if link is None or link.ends_at <= instance.clock.now_ns():
        raise link_not_found()
    return link


def end_link(instance: Instance, link: Link, by: Actor) -> None:
    """End a link; what began to download goes on to its end. Raises NotFound."""
    data = {"link_id": link.id, "format": link.format, "ends_at": link.ends_at}
    change = Change(by, "link.ended", link.account_id, link.app_id, link.backup_id, data=data)
    if not rows.delete_link(instance.catalog, link, change, instance.clock.now_ns()):
        raise link_not_found()


def revoke_links(instance: Instance, account: Account, by: Actor) -> int:
    """End all download links of an account; return how many of them had an end of their own.

    A new secret makes other keys and signatures, so none of before opens anything, in whatever process.
    """
    sealed = instance.master_key.wrap(os.urandom(32), f"link secret:{account.id}")
    change = Change(by, "account.links_revoked", account.id)
    ended = rows.replace_link_secret(instance.catalog, account.id, sealed, change, instance.clock.now_ns())
    store_record(instance, account.id)
    return ended


def link_not_found() -> NotFound:
    """The error for a link that is not there."""
    return NotFound("LINK_NOT_FOUND", "No such link exists.")
