"""Removing what need not be kept: retain, prune, erase."""
