"""The pages of applications: all of an account's, one of them, its backups.

Terms: as in `service/overview`.
"""
