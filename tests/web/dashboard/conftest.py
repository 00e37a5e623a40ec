from __future__ import annotations

from kit.mails import mails
from kit.web import http, log, silver, site

__all__ = ["http", "log", "mails", "silver", "site"]
