"""What all tests share."""

from __future__ import annotations

from kit import cheap_passwords, once

once.share()
cheap_passwords.cheapen()
