"""The registry: accounts, applications, backups and databases, how they are named, and what is recorded about them.

Terms
-----
*Account*: a customer, with an API key and a price plan. *Application*: a folder of an account that is backed up, with
settings. *Link key*: the key in a download's URL. *Account record*: the sealed object in the store that a rebuild reads
accounts and settings from. *Damage*: what is recorded with a backup that misses content. *Shown path*: a path as text,
by the rule of `vault/paths.py`.
"""
