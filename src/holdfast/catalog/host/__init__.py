"""The host's side, as rows: its keys, and accounts under the host's own ids.

Terms
-----
*Host*: whose panel and billing make accounts. *External id*: the host's own id of one of them. *Admin key*: a key of
the host, with *scopes*.
"""
