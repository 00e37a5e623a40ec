"""Floor 6. The queue, the process that works on it, its supervisor, and the periodic tasks.

Terms
-----
*Work*: a backup or a job, requested now and run later, by one process at a time. *Queue*: the rows of the
catalog in state `queued`. *Claim*: move the oldest such row that may begin to `running`. *Executor*: runs the steps of
claimed work (`port.py`; DBOS implements it). *Node*: a machine of the instance; work runs on the node of its
application. *Periodic task*: what the jobs' process repeats at an interval; *run*: one execution of it.
"""
