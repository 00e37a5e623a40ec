"""Floor 5. The operations, one room each: take a backup, serve it, restore it, prove it, remove it, notify people.

Terms
-----
*Instance*: one installation, whose *home* folder holds its configuration, master key, catalog and (by default) store.
*Operation*: a function here that does one thing a person asks for, or raises a `ServiceError` with a code and a
sentence.

`cli/` and `web/` only translate: arguments to an operation, its result or error to text or HTTP.
"""
