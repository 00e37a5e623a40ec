"""Credentials: what proves that somebody is a person: a password.

Terms
-----
*Entrance*: an account that a person may sign in to, or the instance itself, for its operators. *Elevated*: a session
whose person has proved himself within the last 15 minutes; what cannot be undone needs one.
"""
