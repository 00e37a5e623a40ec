"""Jobs of any kind: how they are requested, run, cancelled and recovered, and the events that report them.

Terms
-----
*Job*: a long operation on one backup, as a row. *Work*: jobs and backups in one list. *Failure*: the code with which
work ends, a *message* for the customer and a *detail* for the operator. *Sentence*: the customer's text for a code.
*Interrupted*: ended because its process died or was stopped. *Wake*: tell the worker that a row was queued. *Event*:
something that happened, with a number that only grows.
"""
