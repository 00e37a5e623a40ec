"""The host's side: its panel and billing make accounts and applications under their own ids, and act for them.

Terms
-----
*External id*: the host's own id of an account or an application. *Admin key*: a key of the host; its *scopes* say which
routes it opens. *End*: the host's deletion of one of them, which a PUT undoes until it is erased.
"""
