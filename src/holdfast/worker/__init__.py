"""Floor 6. What runs when, and where: the queue, the process that works it off, and who watches that process.

Terms
-----
*Job*: a deed that was asked for now and is run later, at most once at a time, and again after a crash. *Node*: a
machine of the instance; a job runs on the node its application lives on. *Port*: the interface (`port.py`) behind which
DBOS stands.
"""
