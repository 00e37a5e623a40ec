"""Fixtures of the commands' tests."""

from kit.command import bot, free_port, run, server
from kit.mails import mails

__all__ = ["bot", "free_port", "mails", "run", "server"]
