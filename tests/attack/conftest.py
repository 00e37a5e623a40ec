"""The fixtures of the tests that attack the program as it runs."""

from kit.command import free_port

__all__ = ["free_port"]
