"""SQLite databases in an application's folder: found by their header, read as of one moment while it is written to.

Terms
-----
*Database*: a file that starts with SQLite's header. *Sidecar*: a file that SQLite keeps beside it (`-wal`, `-shm`,
`-journal`); it belongs to the running database and is not part of a backup. *Copier*: a process that makes the copies,
with the rights of the database's owner. *Copy*: the file that the copier wrote to scratch, which the backup stores.
*Held*: a database on which a copier keeps a read transaction open. *View*: its pages as that transaction sees them,
read beside SQLite.

A database that cannot be copied soundly is never passed off as good: a file that SQLite cannot read
stands in the backup as the plain file that it is, with a warning; a database that cannot be read in time is taken from
the backup before, with a warning, and where there is none, the backup fails.
"""
