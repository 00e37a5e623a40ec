"""Credentials: what proves that somebody is a person: a password, codes besides it, a passkey in place of both.

Terms
-----
*Half session*: a log-in whose password was right and that waits for a code; it opens that step alone.
*Entrance*: an account that a person may sign in to, or the instance itself, for its operators. *Elevated*: a session
whose person has proved himself within the last 15 minutes; what cannot be undone needs one.
"""
