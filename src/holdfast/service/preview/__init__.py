"""Previews: what patterns leave out of a folder now, and what a restore would change in it.

Terms: *apart*: in a process of its own, because a tenant's folder is as large as they like, and a preview is asked for
from the web process. One of an account and two of an instance run at once, each with a limit on memory and time.
"""
