"""The routes of who may what: keys, members, links with an end.

Terms: as in `service/people`.
"""
