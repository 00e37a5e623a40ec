"""Fixtures of the vault's tests."""

from kit.vault_bench import bench, write

__all__ = ["bench", "write"]
