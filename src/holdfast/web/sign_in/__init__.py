"""Signing in to the site: the pages of sign-in links and invitations, the session's cookie, who is signed in.

Terms
-----
*Ticket*: the secret in a sign-in link. *Token*: the secret in an invitation's URL, or in a session's cookie. *Form
token*: what a form of a page carries, made from the session's, so that no other site can post it.
"""
