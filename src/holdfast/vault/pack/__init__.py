"""Sealed records in packs, and which packs are live: from a chunk's bytes to the vault's index and ledger."""
