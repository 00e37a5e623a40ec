"""Fixtures of the service's tests."""

from kit.world import world

__all__ = ["world"]
