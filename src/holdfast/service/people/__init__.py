"""Who may what: rights, the callers of the API, keys, members, sessions.

Terms
-----
*Right*: what a caller may do, as `backups.download`. *Group*: a named set of rights. *Grant*: rights on all
applications of an account, or on some. *Caller*: whoever makes a request: an account, an actor, a grant.
"""
