"""Fixtures of the commands' tests."""

from kit.command import bot, free_port, run, server

__all__ = ["bot", "free_port", "run", "server"]
