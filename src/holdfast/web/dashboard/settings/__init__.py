"""The settings of an application: its name, what is backed up, importing an archive.

`page` makes the page, which every form of it shows again when it was refused.
"""
