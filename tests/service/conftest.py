"""Fixtures of the service's tests."""

from kit.command import run
from kit.servers.postgresql import postgresql
from kit.world import world

__all__ = ["postgresql", "run", "world"]
