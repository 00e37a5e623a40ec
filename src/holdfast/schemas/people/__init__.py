"""Members, invitations and sign-in links as they are shown."""
