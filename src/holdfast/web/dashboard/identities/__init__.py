"""The pages of signing in by another site: the way there and back, and the identities of whoever is signed in.

Terms: as in `service/identities`.
"""
