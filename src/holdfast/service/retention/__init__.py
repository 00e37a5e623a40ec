"""Removing what need not be kept: retain, prune, erase.

Terms
-----
*Retain*: delete the backups that neither a rule nor anything else keeps (`service/policy/retention.py` decides).
*Prune*: condemn the packs that no backup needs any more, and delete those condemned long ago. *Grace*: the time between
the two, for downloads in progress. *Erase*: destroy an account's keys, then its data.
"""
