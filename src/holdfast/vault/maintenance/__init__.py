"""What a vault still needs, and what of it is good: mark, prune, check, quarantine."""
