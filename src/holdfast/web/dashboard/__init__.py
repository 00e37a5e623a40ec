"""The dashboard: the site's pages, as HTML made here. A page has an address, and works without a script.

Terms
-----
*Page*: an answer that a browser shows. *Frame*: what is around the content of each page. *Asset*: a file that pages
load, known by an address that has the sum of its content. *Form token*: what a form carries, made from the session's
token, so that no other site can post it.
"""
