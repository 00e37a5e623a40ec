"""A directory as a source: the walk, ignore patterns, and files that change while they are read."""
