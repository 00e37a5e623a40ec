"""Names in the zip, made from paths.

Paths are bytes; names in our zips are UTF-8 and say so. The rule:

1. A path that is valid UTF-8 is its own name, byte for byte; it is never changed, whatever characters it has.
2. In any other path, each byte that is not part of a valid UTF-8 sequence becomes `%XX` (two upper-case hex digits);
   all other bytes stay. Valid is meant as in RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
3. A name over NAME_BYTES_MAX bytes is cut to that many, and back to the last whole character.
4. A folder's name ends in one more `/`.

So two different paths can get the same name only when one was invalid or far too long. The tar.gz has the exact bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Kind

NAME_BYTES_MAX = 65_000
"""A zip's name is at most 65,535 bytes long; with its fixed part and extra field a header must stay below that too, or
Java refuses the archive. No file system gives names near this; the limit keeps a crafted one from making a bad zip."""


def zip_name(path: bytes) -> bytes:
    """Return the name of a path, by rules 1 to 3."""
    try:
        path.decode()
        name = path
    except UnicodeDecodeError:
        name = "".join(
            f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in path.decode(errors="surrogateescape")
        ).encode()
    if len(name) > NAME_BYTES_MAX:
        name = name[:NAME_BYTES_MAX].decode(errors="ignore").encode()
    return name


def zip_names(block: Block) -> list[bytes]:
    """Return the names of all entries of a block, in order."""
    paths = block.paths()
    if not _is_plain(block):
        paths = [zip_name(path) for path in paths]
    for i in (block.kind == Kind.FOLDER).nonzero()[0].tolist():
        paths[i] += b"/"
    return paths


def zip_name_lengths(block: Block) -> NDArray[np.int64]:
    """Return the lengths of all entries' names, in bytes."""
    lengths = block.path_length.astype(np.int64)
    if not _is_plain(block):
        lengths[:] = [len(zip_name(path)) for path in block.paths()]
    lengths[block.kind == Kind.FOLDER] += 1
    return lengths


def _is_plain(block: Block) -> bool:
    """Return True if every path is certainly its own name: the common case, decided without reading single paths."""
    return block.path_bytes.isascii() and int(np.max(block.path_length, initial=0)) <= NAME_BYTES_MAX
