"""Packs as rows: the ledger in SQL, and what prune claims."""
