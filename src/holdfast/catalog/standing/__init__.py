"""The facts that the standings of applications are made of, as the catalog has them: a row for each application.

Terms
-----
*Part*: what the statement joins to each application, as its newest good backup or the sums over all of them.
"""
