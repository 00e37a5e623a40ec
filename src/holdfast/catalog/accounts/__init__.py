"""Accounts and their applications, as rows.

Terms
-----
*Account*: one customer of the host, with an API key and a price plan. *Application*: one folder of an account that is
backed up, with its *settings*.
"""
