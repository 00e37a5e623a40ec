"""Backups proved good or found damaged: check, verify, test restores, reconciling and rebuilding the catalog."""
