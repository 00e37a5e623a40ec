"""Fixtures of the queue's tests."""

from kit.servers.postgresql import postgresql
from kit.world import world

__all__ = ["postgresql", "world"]
