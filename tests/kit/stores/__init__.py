"""Stores for tests: the suite that every store passes, faults, and every effect by number."""
