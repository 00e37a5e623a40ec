"""Names that people give to applications and backups."""

from __future__ import annotations

from holdfast.service.errors import Invalid

NAME_CHARACTERS_MAX = 191


def check_name(name: str) -> None:
    """Raises Invalid when a name cannot be the last part of a URL and the name of a file."""
    if not name.strip() or name in (".", ".."):
        raise Invalid("name", "A name must have at least one character that is no blank.")
    if len(name) > NAME_CHARACTERS_MAX:
        raise Invalid("name", f"A name must have at most {NAME_CHARACTERS_MAX} characters.")
    if "/" in name or any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in name):
        raise Invalid("name", "A name must have no slash and no control characters.")
