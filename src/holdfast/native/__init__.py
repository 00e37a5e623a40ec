"""C below everything else: walk, ignore patterns, writing files, SQLite's VFS; and `library.py`, which binds it."""
