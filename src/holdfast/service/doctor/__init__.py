"""The doctor: find what is wrong with this instance, and say what to do about it.

Terms
-----
*Check*: one thing that is examined, by name. *Finding*: something that is wrong or risky, with the command
that fixes it. *Line*: one line of the report; a check without findings has one that says so.

The doctor changes nothing, except for a probe object in the store, which it removes again.
"""
