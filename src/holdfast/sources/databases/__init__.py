"""Database servers as sources: dumped by their own tools into a backup, restored by their own tools.

Terms
-----
*Spec*: which database, how it is reached, where its password is. *Client*: the server's own tool on this machine
(`pg_dump`, `mariadb-dump`, `redis-cli`). *Dump*: the bytes that the client gives, kept in a backup as
`_databases/<name>.<ext>`.

A password never stands in a command line, in a log or in a message: clients get it through their environment or a file
that only they can read.
"""
