"""The manifest of a backup: its entries, in blocks, under one root.

Terms
-----
*Entry*: one path of the tree: a file, a folder or a symbolic link. *Extent*: a run of a file's content, one chunk
repeated. *Extra*: the fields that only some entries have. *Block*: up to a few hundred entries as packed columns, one
chunk. *Listing*: the backup's list of its blocks, with the lengths that each has in the layouts. *Root*: the
small sealed object that names the listing.
"""
