"""Backups as rows: their states, limits, retention, damage and proofs.

Terms
-----
*Backup*: a row with a state, queued to deleting. *Damage*: the content of a backup that is lost, or that a test restore
did not give back. *Candidate*: a backup as the retention policy sees it. *Proof*: a test restore that matched.
*Read-back*: the steady reading of all packs, a few at a time. *Limit*: a bound of the account's price plan.
"""
