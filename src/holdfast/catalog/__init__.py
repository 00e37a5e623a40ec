"""Floor 4. The catalog: accounts, applications, backups, packs, jobs and events, in SQL through SQLAlchemy Core.

Terms
-----
*Catalog*: the database of one instance. *Record*: a row as a frozen struct. *Hot path*: the two queries that answer
most requests (which account has this key; the list of an application's backups), compiled once.

SQLite is the default: WAL, `synchronous=FULL`, every writing transaction begins as IMMEDIATE. Code for SQLite alone
is in `catalog/database/engine.py` and `prepared_queries.py` alone.
"""
