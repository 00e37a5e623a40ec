"""The routes of who may what, described."""
