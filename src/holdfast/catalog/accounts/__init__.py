"""Accounts and their applications, as rows."""
