"""A directory as a source: the walk, ignore patterns, and files that change while they are read.

Terms
-----
*Walk*: one pass over the folder, in C, as packed columns. *Pattern*: one line in the syntax of `.gitignore`; *rules*:
the compiled patterns. *Live source*: the folder while its application runs, with consistent copies of its databases.
*Spared*: an ignored file that is read all the same, as it may belong to a database.
"""
