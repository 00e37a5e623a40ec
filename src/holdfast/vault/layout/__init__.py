"""Layouts: what a backup looks like as a download, computed from its manifest.

Terms
-----
*Layout*: a rule that gives every backup exactly one sequence of bytes (a zip, a tar.gz), with its length known before
the first byte is made. *Piece*: literal bytes, or a part of a chunk's segment. *Body*: an entry's content as it stands
in a layout.

- `pieces` what a layout is made of, and what it needs to see of a backup
- `zip` the zip; `zip_records` its headers, `names` how a path becomes a name in it
- `targz` the tar.gz; `tar_header` its members' headers as tar, `tar_deflate` the same deflated by a rule of our own
- `contents` what both share: bodies out of extents, and cutting at a byte range

A layout is a pure function: no clock, no randomness, no compressing library, no packs. The bytes that it gives for a
manifest must never change, as a customer may resume a download years later; tests pin them. docs/layouts.md has every
byte of both.
"""
