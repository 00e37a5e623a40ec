"""Floor 6. What runs when, and where: the queue, the process that works it off, and who watches that process.

Terms
-----
*Work*: a backup or a job, asked for now and run later, at most once at a time. *Queue*: the rows of the catalog in
state `queued`. *Claim*: move the oldest such row that may begin to `running`. *Executor*: runs the steps of what was
claimed (`port.py`; DBOS stands behind it). *Node*: a machine of the instance; work runs on the node its application
lives on. *Periodic task*: what runs again and again by itself.
"""
