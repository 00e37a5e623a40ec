"""The database itself: the engine, its tables and migrations, its health, and leases.

Terms
-----
*Catalog*: the open database. *Fact*: a named value of the instance. *Lease*: a fact that gives one node a task until a
time. *Migration*: a step from one version of the schema to the next.
"""
