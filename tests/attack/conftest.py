"""Fixtures of the attacks: instances as the commands and the service see them."""

from kit.command import bot, free_port, run, server
from kit.world import world

__all__ = ["bot", "free_port", "run", "server", "world"]
