"""Floor 0. C below everything else: the walk, ignore patterns, writing files, SQLite's VFS.

Terms
-----
*Walk*: one pass over a directory tree, as packed arrays without an object per file. *Rules*: compiled ignore patterns.
*VFS*: SQLite's interface to files; ours opens one database only and follows no link. *Library*: `library.py`, which
calls the C functions through ctypes, without the GIL.
"""
