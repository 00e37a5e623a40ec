"""Jobs and schedules as rows, and all work in one list.

Terms
-----
*Job*: a restore, a verification or a test restore of one backup. *Work*: jobs and backups in one list. *Due time*: when
the next scheduled backup is due, or the application becomes overdue. *Claim*: the step that takes one due item, once.
"""
