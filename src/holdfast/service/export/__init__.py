"""All data of an account as one file, for whoever wants to have it or to take it elsewhere.

Terms
-----
*Part*: one file of the export, as text that is made while it is read. *Archive*: the parts as a zip, made while it is
sent; it is nowhere on the disk, and takes the same memory for ten rows and for a million.
"""
