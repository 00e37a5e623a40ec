"""The recovery sheet: the master key on paper, and whether anybody has it there."""

from __future__ import annotations

from holdfast.catalog.events.audit import Change, record_change
from holdfast.catalog.records import Actor
from holdfast.service.instance.home import KEY_NAME, KEY_VARIABLE, Instance

_EXPORTED = "master key exported"
KEY_NEVER_EXPORTED = (
    "the master key was never exported, and without it no backup can be read; run `holdfast key export` and keep the "
    "sheet away from this machine."
)


def note_key_exported(instance: Instance, by: Actor) -> None:
    """Remember that somebody has the master key on paper."""
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
        f"Key id     {instance.master_key.fingerprint}\n"
        f"Master key {instance.master_key.hex()}\n\n"
        "Without this key nothing of the backups can be read, by anybody. Keep this sheet away from the machine.\n"
        f"To use it: write the 64 digits into {KEY_NAME} in the instance's home (mode 0600), or set {KEY_VARIABLE}.\n"
    )
