"""Floor 2. Where an application's data is: a directory, an archive, database servers.

Terms
-----
*Source*: a place whose files a backup reads. *Scan*: one walk over it, as packed columns. *Reader*: opens the files
of a source in a worker process. *Notice*: something a person should know about one path (a socket was left out).

The owner of the data is hostile: while we walk and read, folders become links and files become pipes. Hence nothing is
ever opened by a path that the kernel may resolve through a link, and nothing but regular files is read.
"""
