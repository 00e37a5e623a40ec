"""The pages of what proves that somebody is a person, besides the password: codes of an authenticator app, passkeys.

Terms: a *half session* is a log-in whose password was right and that waits for a code; it opens that page alone.
"""
