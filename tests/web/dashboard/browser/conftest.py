from __future__ import annotations

from kit.walk import walk
from kit.web import log
from kit.windows import browser, visit

__all__ = ["browser", "log", "visit", "walk"]
