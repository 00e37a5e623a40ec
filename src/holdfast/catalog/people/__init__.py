"""Who may what, as rows: people, members, keys, sessions, invitations, links with an end, the host's keys.

Terms
-----
*Person*: someone who signs in. *Member*: a person with rights on an account. *Key*: a program's way in, with rights of
its own. *Main key*: the account's first key, which its settings show. *Admin key*: a key of the host.
"""
