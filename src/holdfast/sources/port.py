"""The errors of a source; what a source gives is in `vault/source.py`."""

from __future__ import annotations


class SourceError(Exception):
    """A source cannot be read; the message is one sentence for a person."""


class SourceMissing(SourceError):
    """The folder is not there, or is no folder."""
