"""What all tests share."""

from __future__ import annotations

from kit import once

once.share()
