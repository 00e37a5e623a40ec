"""The kinds of files that a page tells apart: by their names, and pictures by their first bytes."""

from __future__ import annotations

ICONS = frozenset(("folder", "file", "file-text", "image", "database", "link", "file-archive"))
"""The icons that the table below names."""

_BY_SUFFIX = {
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "ico"), "image"),
    **dict.fromkeys(("db", "sqlite", "sqlite3", "sql"), "database"),
    **dict.fromkeys(("zip", "gz", "tgz", "xz", "zst", "bz2", "7z", "rar", "jar"), "file-archive"),
    **dict.fromkeys(
        ("txt", "md", "log", "json", "yml", "yaml", "toml", "ini", "cfg", "conf", "env", "csv"), "file-text"
    ),
    **dict.fromkeys(("py", "js", "ts", "html", "css", "java", "go", "rs", "c", "h", "sh", "properties"), "file-text"),
}

_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
PICTURE_BYTES_MAX = 8 * 1024 * 1024
TEXT_BYTES_MAX = 256 * 1024


def icon_of(name: str, kind: str) -> str:
    """Return the icon of an entry by its kind (`file`, `folder`, `symlink`) and its name."""
    if kind == "folder":
        return "folder"
    if kind == "symlink":
        return "link"
    return _BY_SUFFIX.get(name.rpartition(".")[2].lower(), "file")


def picture_type(start: bytes) -> str | None:
    """Return the media type of a picture by its first bytes; None for all that a page does not show as one."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _PICTURES if start.startswith(magic)), None)


def text_of(content: bytes) -> str | None:
    """Return content as text, with a sign for each byte that is none; None if it looks like no text at all."""
    if b"\0" in content:
        return None
    text = content.decode(errors="replace")
    return None if text.count("\ufffd") > len(text) // 10 + 1 else text
