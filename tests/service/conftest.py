"""Fixtures of the service's tests."""

from kit.command import run
from kit.mails import mails
from kit.servers.postgresql import postgresql
from kit.world import world

__all__ = ["mails", "postgresql", "run", "world"]
