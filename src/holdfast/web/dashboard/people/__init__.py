"""The pages of who is signed in: sign-in links, invitations, the account and its sessions.

Terms: as in `service/people`.
"""
