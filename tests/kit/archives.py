"""Making archives, also such as no honest program makes."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from typing import Literal

FilePart = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: object) -> FilePart:
    """A tar's member."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(data), 1_700_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar_of(
    *parts: FilePart, format: int = tarfile.PAX_FORMAT, mode: Literal["w", "w:gz", "w:bz2", "w:xz"] = "w"
) -> bytes:
    """A tar of members; `mode` as tarfile's."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=format, errors="surrogateescape") as tar:
        for info, data in parts:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_member(
    name: str, data: bytes = b"", mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_DEFLATED
) -> tuple[zipfile.ZipInfo, bytes]:
    """A zip's member, made on Unix."""
    info = zipfile.ZipInfo(name, (2023, 11, 14, 22, 13, 20))
    info.create_system, info.external_attr, info.compress_type = 3, mode << 16, method
    return info, data


def zip_of(*parts: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    """A zip of members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for info, data in parts:
            file.writestr(info, data)
    return out.getvalue()


def patched(data: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    """Bytes in which something (of the same length) is put for something that is there."""
    for old, new in changes:
        assert old in data
        assert len(old) == len(new)
        data = data.replace(old, new)
    return data


def fields_changed(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """A zip in which a field of every record of a kind has another value."""
    at = -1
    while (at := data.find(signature, at + 1)) >= 0:
        data = data[: at + offset] + value + data[at + offset + len(value) :]
    return data


Build = Callable[[], bytes]
Named = Iterable[tuple[str, Build, str]]
