"""Backups as rows: their states, limits, retention, damage and proofs."""
