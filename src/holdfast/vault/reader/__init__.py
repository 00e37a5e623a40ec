"""A backup opened for reading: its records, its files, and its differences from another backup.

Terms
-----
*Snapshot*: an opened backup, decoded only as far as needed. *Run*: records that lie side by side in a pack and are read
with one call. *Extract*: the files' contents as plain bytes, for a restore. *Browse*: one path or folder, found without
reading the rest. *View*: a change to each block as it is read, such as removing privileges (`unprivileged`).
"""
