"""Fixtures of the catalog's tests."""

from conftest_service import world

__all__ = ["world"]
