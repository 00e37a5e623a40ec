"""The objects that clients of the neighbouring API are shown, in the shapes and under the names that they know.

Terms
-----
*Neighbouring API*: that of Square Cloud, whose clients work unchanged for what is the business of backups. *Snapshot*:
its word for a successful backup. *Version*: its second id of a snapshot; here it is the backup's id.
"""
