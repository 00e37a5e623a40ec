"""Identities in the catalog: whom other sites know people as, and people on their way back from there.

Terms
-----
*Identity*: a person at an issuer, under the id that never changes there (*subject*). *Round*: a browser's way to
another site and back.
"""
