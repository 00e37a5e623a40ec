"""The pages of what is in backups: folders, files, searches, differences.

Terms
-----
*Folder*: of a backup, or its root. *Version*: a file as it is in some backups, until it changes.
"""
