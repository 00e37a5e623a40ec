"""Fixtures of the queue's tests."""

from kit.world import world

__all__ = ["world"]
