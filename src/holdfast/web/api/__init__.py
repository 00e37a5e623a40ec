"""The routes of the API v3, one module a noun. Each reads a request, calls an operation and shows the result.

Terms
-----
*Route*: a path and a method. *Event stream*: the server-sent events of an account. *List cache*: the answers to the
most frequent request, the list of an application's backups. `openapi/` describes the routes.
"""
