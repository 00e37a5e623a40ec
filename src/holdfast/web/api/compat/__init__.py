"""The routes of the neighbouring API that are the business of backups, so that its clients work unchanged.

Terms: as in `schemas/compat`. Rights, limits and codes are those of the routes of our own, whose operations these call.
"""
