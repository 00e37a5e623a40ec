"""The operator's pages: the whole instance, with its accounts, applications, nodes, store and jobs.

Terms
-----
*Operator*: a person who is signed in to the instance itself, by a session without an account. *Need*: something that
the operator must look at now. For everybody else none of these pages exists.
"""
