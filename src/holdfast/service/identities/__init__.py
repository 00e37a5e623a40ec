"""Identities: whom other sites know people as, signing in by them, and tokens by which a host hands people over.

Terms
-----
*Provider*: a site that people sign in with. *Identity*: a person there, by the issuer and his id, never by an e-mail
address. *Round*: the browser's way there and back. *Hand-over*: a host's panel signs a person in by a token of its own.
"""
