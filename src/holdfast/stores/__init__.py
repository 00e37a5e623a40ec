"""Floor 0. Bytes under names: a local disk, memory, later S3.

Terms
-----
*Store*: a flat space of *objects*, each a sequence of bytes under a *name* (ASCII, parts joined by ``/``).
*Durable*: an object that was acknowledged survives a power cut: its bytes and its name are both on the medium.

*Writer*: an unfinished object, invisible until its commit. *Prefix*: a part of a store as a store of its own.

A store knows nothing of keys, packs, accounts or SQL. All implementations pass one conformance suite
(``tests/kit/stores/conformance.py``); cross-cutting behaviour (a prefix, faults) is a decorator over `Store`.
"""
