"""The benchmark: holdfast and its peers at the same work, in turns in one run.

Terms. A *dataset* is a folder made from packages or from a seed (`datasets`); nothing of it is committed. A *tool* is a
program that takes backups of a folder: holdfast by its API, holdfast by its shell command, restic, borg, tar (`tools`).
A *turn* is one measured command of one tool. A *figure* is what the report says: a ratio to a peer in the same run,
never an absolute time.

The benchmark imports nothing from the package it measures: it meets holdfast as its users do, by commands and HTTP.
It writes only below `.bench/` of the checkout and, at its end, between the markers of docs/performance.md.
"""
