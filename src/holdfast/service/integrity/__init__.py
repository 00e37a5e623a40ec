"""Backups proved good or found damaged: verify, read back, restore for a test, reconcile, rebuild the catalog.

Terms
-----
*Check*: examine the structure. *Verify*: read the data too. *Read-back*: verify the whole store, a few packs at a time.
*Test restore*: a restore to scratch whose result is compared with the backup; one that matches *proves* it. *Finding*:
something that is wrong with a backup. *Retake*: a new backup because of a finding. *Reconcile*: compare the store with
the catalog. *Rebuild*: make the catalog again from the store.
*New machine*: make the whole instance again from the store and the master key.
"""
