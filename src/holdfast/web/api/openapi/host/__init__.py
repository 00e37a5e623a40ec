"""The routes of the host, described."""
