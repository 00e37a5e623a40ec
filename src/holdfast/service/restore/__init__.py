"""Restoring the files of a backup, or a database from its dump.

Terms
-----
*Plan*: what a restore would change. *Target*: the application or folder that is restored into. *Mode*: `mirror` removes
what the backup does not have, `overlay` leaves it. *Staging*: writing everything beside the target before that is
touched. *Swap*: the renames that put it in. *Safety backup*: the backup of the target that undoes the restore. *Half
done*: a restore that could not be undone yet.
"""
