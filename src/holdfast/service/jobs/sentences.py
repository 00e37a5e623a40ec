"""Sentences: the text that a customer gets of a failure, by the failure's code.

An error of the floors below says all that is known: folders, disks, servers, addresses. That is the operator's. A
customer gets the sentence of the code, which names nothing of the machine and says what they can do, or that it is
their host's to do. Errors whose own text is about what belongs to customers alone (their archive, their files, their
request) pass that text on.
"""

from __future__ import annotations

_HOST = "your host has to see to it, and has the details"
_AGAIN = "try again, and tell your host if it stays so"

OWN = frozenset({
    "APP_NOT_FOUND", "ARCHIVE_TOO_LARGE", "BACKUP_NOT_FOUND", "CANCELLED", "DATABASE_BUSY", "DATABASE_UNREADABLE",
    "INTERRUPTED", "INVALID_ARCHIVE", "PRUNED_MEANWHILE", "SOURCE_CHANGED", "SOURCE_TOO_LARGE",
})  # fmt: skip
"""Codes of errors whose own text may be shown to customers."""

SENTENCES = {
    "APP_NOT_READABLE": "The application's folder could not be looked through; {host}.",
    "BACKUP_DAMAGED": "{operation} failed, as a part of the backup is lost or damaged; use another backup.",
    "CATALOG_UNREACHABLE": "{operation} failed, as the catalog of the backups could not be reached; {again}.",
    "DATABASE_FAILED": "{operation} failed, as {database} could not be used; {host}.",
    "DATABASE_PASSWORD_MISSING": "{operation} failed, as the password of {database} is not at hand; {host}.",
    "DATABASE_REFUSED": "{operation} failed, as {database} is of a kind that cannot be dumped or restored whole; "
    "{host}.",
    "DATABASE_RESTORE_FAILED": "{operation} failed, as the dump could not be loaded into {database}; {host}.",
    "DATABASE_TOOL_MISSING": "{operation} failed, as the tool for {database} is missing; {host}.",
    "DATABASE_TOOL_TOO_OLD": "{operation} failed, as the tool for {database} is too old for it; {host}.",
    "DATABASE_UNREACHABLE": "{operation} failed, as {database} does not answer or refuses the login; see that it runs, "
    "or ask your host, who has the details.",
    "DUMP_FAILED": "{operation} failed, as the dump of {database} broke off or is incomplete; {again}.",
    "HOOK_FAILED": "No copy was made, as the command that your host runs before it failed; {host}.",
    "INTERNAL_ERROR": "{operation} failed for a reason that was not foreseen; {host}.",
    "INVALID_DSN": "{operation} failed, as the address of {database} is not set as it must be; {host}.",
    "MASTER_KEY_WRONG": "{operation} failed, as the key of the backups does not open them; {host}.",
    "SCRATCH_FAILED": "{operation} failed, as a disk of your host did not work; {host}.",
    "SCRATCH_FULL": "{operation} failed, as the host's disk is full; {host}.",
    "SOURCE_FAILED": "{operation} failed, as a part of the application could not be read; {host}.",
    "SOURCE_MISSING": "{operation} failed, as the application's folder is not there; if you did not remove it, "
    "ask your host, who has the details.",
    "SOURCE_UNREADABLE": "{operation} failed, as the application's folder could not be read; {host}.",
    "SQLITE_UNUSABLE": "{operation} failed, as SQLite databases could not be looked at; {host}.",
    "STORE_ERROR": "{operation} failed, as the store of the backups did not work; {host}.",
    "STORE_FULL": "{operation} failed, as the store of the backups is full; {host}.",
    "STORE_UNREACHABLE": "{operation} failed, as the store of the backups cannot be reached; {host}.",
    "TARGET_ERROR": "{operation} failed, as the folder to restore to could not be written; {host}.",
    "TARGET_FULL": "{operation} failed, as the disk of the folder to restore to is full; remove something there, or "
    "ask your host for more room.",
    "TARGET_IN_THE_WAY": "{operation} failed, as its new folder was made by somebody else meanwhile; name another one.",
    "TARGET_UNREADABLE": "{operation} failed, as the folder to restore to could not be read; {host}.",
    "TOO_LARGE": "{operation} was not made, as each file of the backup is larger than your host allows for it.",
    "VAULT_ERROR": "{operation} failed, as the stored backups could not be read or written as they should; {host}.",
}
"""By code. `{operation}`: its subject; `{database}`: the database concerned."""


def sentence_of(code: str, operation: str, database: str = "") -> str:
    """Return the customer's sentence of a failure. `operation`: "The restore"; `database`: the one concerned, by name.

    A code without one is told as one that nobody foresaw: it must not give away what its error says.
    """
    template = SENTENCES.get(code, SENTENCES["INTERNAL_ERROR"])
    named = f"the database {database}" if database else "a database of the application"
    return template.format(operation=operation, database=named, host=_HOST, again=_AGAIN)
