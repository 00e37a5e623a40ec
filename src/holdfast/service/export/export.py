"""The export of an account: its text, its entry in the audit, its bytes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from holdfast.catalog.events.audit import Change
from holdfast.schemas.times import iso, local_time
from holdfast.service.export.archive import archive
from holdfast.service.export.parts import left_out, parts
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.service.people.audit import record
from holdfast.service.people.callers import Caller

ACTION = "account.exported"


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is about to be sent. `chunks`: its bytes, made while they are read."""

    filename: str
    chunks: Generator[bytes]


def export_account(instance: Instance, caller: Caller) -> Export:
    """Begin an export of what a caller may read of his account, and enter that in the audit.

    The text in it is in the language that is spoken. Raises CatalogError.
    """
    account, now_ns = caller.account, instance.clock.now_ns()
    record(instance, Change(caller.actor, ACTION, account.id, data={"left_out": left_out(caller)}))
    local = local_time(now_ns, instance.zone)
    day_and_time = (local.year, local.month, local.day, local.hour, local.minute, local.second)
    found = parts(instance, caller, _explained(instance, caller, now_ns))
    return Export(f"holdfast_{account.id}_{local:%Y-%m-%d}.zip", archive(found, day_and_time))


def _explained(instance: Instance, caller: Caller, now_ns: int) -> str:
    base_url, lacking = instance.config.base_url.rstrip("/"), left_out(caller)
    docs_url, keys_url = f"{base_url}/docs", f"{base_url}/account/keys"
    paragraphs = [
        _(
            "All data of the account %(email)s, as of %(time)s.",
            email=caller.account.email,
            time=iso(now_ns, instance.zone),
        ),
        _(
            "Each .json file is a list with one object a line, as the API shows it (%(url)s). The .csv files have the "
            "backups and the audit once more, for a spreadsheet.",
            url=docs_url,
        ),
        _(
            "Not in it: passwords, keys and secrets, which are kept so that nobody can read them; and the files of the "
            "backups."
        ),
        _(
            "The files of the backups are downloaded one backup at a time, each as a zip. Make a key with the right "
            "backups.download at %(url)s, put it into HOLDFAST_KEY, and ask for the addresses:",
            url=keys_url,
        ),
        f'    curl -H "Authorization: $HOLDFAST_KEY" "{base_url}/v3/backups?limit=200"',
        _(
            "Each backup in the answer has its address as url; the header Link of the answer leads to the next ones. "
            "Download an address so; begun again, it goes on where it broke off:"
        ),
        '    curl -C - -OJ "URL"',
    ]
    if lacking:
        paragraphs.append(
            _(
                "Some files are left out, because whoever asked lacks these rights: %(rights)s.",
                rights=", ".join(lacking),
            )
        )
    return "\r\n\r\n".join(paragraphs) + "\r\n"
