"""The host's side: its panel and billing make accounts under their own ids, and act for them.

Terms
-----
*External id*: the host's own id of an account. *Admin key*: a key of the host; its *scopes* say which routes it opens.
*End*: the host's deletion of an account, which a PUT undoes until it is erased.
"""
