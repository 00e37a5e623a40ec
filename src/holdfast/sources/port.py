"""The errors of a source; its interface is in `vault/source.py`."""

from __future__ import annotations


class SourceError(Exception):
    """A source cannot be read; the message is one sentence for a person."""


class SourceTooLarge(SourceError):
    """A tree is beyond the bounds on what is backed up."""


class SourceMissing(SourceError):
    """The folder is missing, or is not a folder."""
