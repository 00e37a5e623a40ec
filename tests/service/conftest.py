"""Fixtures of the service's tests."""

from conftest_service import world

__all__ = ["world"]
