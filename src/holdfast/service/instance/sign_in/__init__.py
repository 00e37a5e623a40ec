"""Settings of the sites that sign people in: `[sign_in]` of `holdfast.toml`.

Terms
-----
*Provider*: a site that people sign in with, by OpenID Connect or as Discord does it. *Hand-over*: a host's panel signs
a person in by a token that it has signed itself.
"""
