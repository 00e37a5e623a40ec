"""Restoring files and databases."""
