"""The routes of the host: /v3/admin."""
