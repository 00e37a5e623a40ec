"""Fixtures of the queue's tests."""

from conftest_service import world

__all__ = ["world"]
