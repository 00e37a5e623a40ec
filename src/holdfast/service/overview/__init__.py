"""The overviews that pages begin with: of an account's applications, and of one application.

Terms
-----
*Strip*: the last 30 days of an application, each by the worst that happened on it. *Cell*: one day of a strip.
"""
