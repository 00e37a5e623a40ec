"""Packs: from a chunk's bytes to sealed records, and to the vault's index and ledger.

Terms
-----
*Chunk*: a piece of content, named by its keyed hash. *Segment*: its bytes as raw deflate. *Record*: a sealed segment.
*Pack*: an object of up to 32 MiB of records, with a sealed *table* of them at its end. *Index*: where each chunk is.
*Ledger*: the live packs of a vault. *Epoch*: a number that prune advances; it fences backups that rely on old packs.
"""
