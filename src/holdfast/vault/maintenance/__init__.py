"""Maintenance: find the chunks that backups still need, discard the others, and check the stored ones.

Terms
-----
*Mark*: to find every chunk that a backup in the store needs. *Prune*: to condemn packs that nothing needs, and to copy
the needed records out of those that are mostly dead. *Check*: to compare packs with their ledger rows, and backups with
the index. *Quarantine*: to take a damaged pack out of the index, its good records copied first. *Salvage*: to use the
good chunks of packs that were condemned and are in the store again.
"""
