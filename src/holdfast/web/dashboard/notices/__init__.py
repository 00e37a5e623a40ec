"""The pages of notices: who is told of an account's backups, and what was sent to them.

Terms
-----
*Target*: a kind of endpoint that a form makes from a few fields, as Discord or e-mail. *Delivery*: one event on its way
to one endpoint.
"""
