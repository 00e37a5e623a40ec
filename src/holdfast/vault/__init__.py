"""Floor 1. The storage engine: an application's tree becomes chunks in packs, and those chunks are the zip.

Terms, from the bytes up
------------------------
*Vault*: everything that one account stores, under one *data key*. Nothing is shared between vaults.
*Chunk*: a piece of a file's content (64 KiB to 1 MiB, cut where the content says; page files at fixed places), named
by its keyed BLAKE3 hash. The unit of deduplication.
*Segment*: a chunk's bytes as raw deflate, ending at a byte border and not final. A file's deflate stream is its
segments one after the other and ``03 00``; so the store's bytes are already the download.
*Record*: a sealed segment (AES-256-GCM). *Pack*: an object of many records with a sealed *trailer* that lists them.
*Index*: where each chunk of the vault is, as packed arrays, loaded from the ledger's pack rows.
*Ledger*: which packs are live. A protocol; the catalog implements it in SQL.
*Manifest*: the entries of a backup in *blocks*, themselves chunks; *root*: the small object that names them.
*Layout*: the zip or tar.gz of a backup, as a function of its manifest alone.

The vault knows nothing of customers, SQL or HTTP. It is given a store, a data key and a ledger.

Order of writing, each durable before the next: data packs, their ledger rows, manifest packs, their rows, the root;
only then does the caller tell anyone.
"""
