from __future__ import annotations

from kit.web import log
from kit.windows import browser, visit

__all__ = ["browser", "log", "visit"]
