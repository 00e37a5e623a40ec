"""Fixtures of the vault's tests."""

from conftest_vault import bench, write

__all__ = ["bench", "write"]
