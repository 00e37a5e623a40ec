"""Access to a backup without restoring it: downloads and browsing.

Terms
-----
*Link*: the URL of a download, with account, name and key. *Key*: 160 bits that an account's secret and the backup's
digest give; whoever has it may download that backup. *Browse*: read one folder or file of a backup, and no more of it.
"""
