"""The instance that every operation needs: the home folder, configuration, price plans, clock, locks, logs and disks.

Terms
-----
*Home*: the folder of the instance. *Instance*: the opened home: configuration, master key, catalog, store and clock.
*Master key*: the key that wraps every account's keys. *Node*: one machine of the instance. *Price plan*: the limits of
the accounts that have it. *Lock*: a file lock (flock) that ends with the process which holds it. *Import scratch*: the
folder of an uploaded archive until it has become a backup.
"""
