"""The recovery sheet: the master key on paper, the record that it was printed, and reading it back.

A sheet is read as it was printed, or as somebody typed what matters of it: the key's 64 digits, alone or among other
lines, in capitals or in groups. The key's id, where the sheet has it, tells a digit that was copied wrongly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from holdfast.catalog.events.audit import Change, record_change
from holdfast.catalog.records import Actor
from holdfast.service.instance.home import KEY_VARIABLE, Instance, InstanceError
from holdfast.vault.pack.keys import KEY_BYTES, MasterKey

_EXPORTED = "master key exported"
KEY_NEVER_EXPORTED = (
    "the master key was never exported, and without it no backup can be read; run `holdfast key export` and keep the "
    "sheet away from this machine."
)


def note_key_exported(instance: Instance, by: Actor) -> None:
    """Record that somebody has the master key on paper."""
    now_ns = instance.clock.now_ns()
    record_change(instance.catalog, Change(by, "master_key.exported"), now_ns)
    instance.catalog.set_fact(_EXPORTED, f"{instance.master_key.fingerprint} {now_ns}")


def key_exported_at(instance: Instance) -> int | None:
    """Return the time of the master key's last export, in nanoseconds; None: never, as far as the catalog knows."""
    fingerprint, _, at = (instance.catalog.fact(_EXPORTED) or "").partition(" ")
    return int(at) if fingerprint == instance.master_key.fingerprint else None


def recovery_sheet(instance: Instance) -> str:
    """Return the sheet to print and keep away from the machine."""
    return (
        "Holdfast recovery sheet\n"
        "=======================\n\n"
        f"Instance   {instance.config.base_url} ({instance.home})\n"
        f"Time zone  {instance.config.time_zone}\n"
        f"Key id     {instance.master_key.fingerprint}\n"
        f"Master key {instance.master_key.hex()}\n\n"
        "Without this key nothing of the backups can be read, by anybody. Keep this sheet away from the machine.\n\n"
        "On a new machine: install Holdfast, put the store or a copy of it there, type this sheet into a file, and:\n\n"
        f"    export HOLDFAST_HOME={instance.home}\n"
        "    holdfast init --from-store STORE --key SHEET\n"
        "    holdfast restore APP BACKUP\n"
        "    holdfast doctor\n"
        "    holdfast serve\n\n"
        "STORE is the folder with the file STORE in it; SHEET the file with this sheet, or with the 64 digits alone.\n"
        "Restore each application whose folder is gone; `holdfast backup list APP` names its backups.\n"
        f"The key may also stay in no file: set {KEY_VARIABLE} to it, and leave out --key.\n"
    )


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet that was read. `where`: what to call it in a sentence. `base_url`, `time_zone`: the instance's, if it has
    them."""

    key: MasterKey
    where: str
    base_url: str | None = None
    time_zone: str | None = None
    is_on_paper: bool = True
    """False for a key that came from the environment."""


_DIGITS = 2 * KEY_BYTES
_INSTANCE = re.compile(r"^\s*instance\b[ \t:]*(\S+)", re.IGNORECASE | re.MULTILINE)
_TIME_ZONE = re.compile(r"^\s*time zone\b[ \t:]*(\S+)", re.IGNORECASE | re.MULTILINE)
_KEY_ID = re.compile(r"^\s*key id\b[ \t:]*([0-9a-f]{16})\s*$", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(r"^\s*master key\b[ \t:]*([^\n]*(?:\n[ \t]*[0-9a-f][0-9a-f \t]*$)*)", re.IGNORECASE | re.MULTILINE)
_KEY_ALONE = re.compile(rf"(?<![0-9a-z])[0-9a-f]{{{_DIGITS}}}(?![0-9a-z])", re.IGNORECASE)


def read_sheet(text: str, where: str) -> Sheet:
    """Read a recovery sheet, or a master key alone. Raises InstanceError, which calls it `where` and shows no key."""
    text = text.replace("\r\n", "\n").replace("\N{NO-BREAK SPACE}", " ")
    key = MasterKey(bytes.fromhex(_key_digits(text, where)))
    key_id, url, zone = (pattern.search(text) for pattern in (_KEY_ID, _INSTANCE, _TIME_ZONE))
    if key_id is not None and key_id[1].lower() != key.fingerprint:
        raise InstanceError(
            f"The master key in {where} does not fit its key id {key_id[1]}: a digit was copied wrongly; "
            "compare both with the paper. Nothing was changed."
        )
    return Sheet(key, where, url[1] if url else None, zone[1] if zone else None)


def _key_digits(text: str, where: str) -> str:
    line = _KEY.search(text)
    alone = {found.lower() for found in _KEY_ALONE.findall(text)}
    if line is not None:
        digits = "".join(line[1].split())
    elif len(alone) == 1:
        digits = alone.pop()
    else:
        digits = "".join(text.split())
        if alone or not re.fullmatch("[0-9a-f]+", digits, re.IGNORECASE):
            raise InstanceError(
                f"{where[0].upper()}{where[1:]} is not a recovery sheet, or is cut off: it has no line `Master key` "
                f"with {_DIGITS} hex digits, nor such a key alone. Nothing was changed."
            )
    if len(digits) != _DIGITS:
        raise InstanceError(
            f"The master key in {where} has {len(digits)} of {_DIGITS} digits: it is cut off or was copied wrongly; "
            "compare it with the paper. Nothing was changed."
        )
    wrong = re.search("[^0-9a-f]", digits, re.IGNORECASE)
    if wrong is not None:
        raise InstanceError(
            f"Digit {wrong.start() + 1} of the master key in {where} is none of 0-9 and a-f; compare it with the "
            "paper. Nothing was changed."
        )
    return digits
