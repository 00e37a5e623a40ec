"""Giving a backup out: downloads and browsing."""
