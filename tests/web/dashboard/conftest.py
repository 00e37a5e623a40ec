from __future__ import annotations

from kit.web import http, log, silver, site

__all__ = ["http", "log", "silver", "site"]
