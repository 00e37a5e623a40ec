"""Layouts: the bytes of a backup's downloads, computed from its manifest.

Terms
-----
*Layout*: a rule that gives every backup exactly one sequence of bytes (a zip, a tar.gz), with its length known before
the first byte is made. *Piece*: literal bytes, or a part of a chunk's segment. *Body*: an entry's content as it stands
in a layout.

- `pieces` the parts of a layout, and the view of a backup that it needs; `listing` a block as the backup lists it
- `zip` the zip; `zip_records` its headers, `names` how a path becomes a name in it
- `targz` the tar.gz; `tar_header` its members' headers as tar, `tar_deflate` the same deflated by a rule of our own
- `contents` the part that both share: bodies made from extents, and cutting at a byte range

A layout is a pure function: no clock, no randomness, no compressing library, no packs. The bytes that it gives for a
manifest must never change, as a customer may resume a download years later; tests pin them. docs/layouts.md has every
byte of both.
"""
