"""A source becomes packs and a root."""
