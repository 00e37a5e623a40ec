"""Packs as rows: the ledger in SQL, and the claims of prunes.

Terms
-----
*Ledger*: the live packs of an account. *Condemned*: a pack that nothing needs, kept for its readers until a grace ends.
*Claim*: the right of one node to prune an account's vault.
"""
