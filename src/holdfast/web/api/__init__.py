"""The routes of the API v3, one module each."""
