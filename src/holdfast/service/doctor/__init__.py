"""The doctor: what is wrong with this instance, and what to do about it.

Terms
-----
*Check*: one thing to look at, by name. *Finding*: something that is not as it should be. *Line*: what is shown; a check
without findings has one that says so.

The doctor changes nothing, but for a probe object in the store that it removes again.
"""
