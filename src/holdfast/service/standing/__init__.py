"""The standing of applications: gathered for many at once, told in words, and shown.

`policy/standing.py` decides it. *Gather*: read the facts of many applications with a fixed number of queries. *Told*:
as a headline and a text that says what is still safe and what happens next; the customer's names nothing of the
operator's machines, the operator's has the details and the command that helps. *Days*: each day of a range.
"""
