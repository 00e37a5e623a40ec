"""Taking a backup: a source is read by worker processes and becomes packs, a manifest and a root.

Terms
-----
*Scan*: the source's entries as packed columns. *Task*: one unit of reading, a batch of small files, a part of a large
one or a stream. *Result*: what a task produced, as packed rows. *Process pool*: the worker processes of one backup, and
the threads that feed them. *Claim*: the right to store a new chunk, given to the first worker that meets it.
*Shared index*: the vault's chunks in memory that all workers read.
"""
