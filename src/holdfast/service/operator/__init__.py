"""The whole instance as its operator sees it.

Terms
-----
*Need*: something that the operator must look at now; *state* of an application: its standing as far as lists tell it,
without limits, warnings and restores, which would need a look at each application.
"""
