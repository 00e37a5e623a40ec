"""The routes of the neighbouring API, described apart under one tag.

Terms: as in `schemas/compat`.
"""
