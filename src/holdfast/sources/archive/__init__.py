"""An uploaded archive as a source: zip, tar, and tar within gzip, xz, bzip2 or zstd.

Terms
-----
*Member*: one entry of an archive, as stated by the archive. *Tree*: the members as the paths of a backup, checked while
it grows. *Scratch*: a private folder that contents are unpacked into; nothing in it has a name that the archive chose.

Whoever made the archive is hostile: a member may lie outside the tree, lie behind a link, state one size and have
another, or be one of a billion. Such an archive is refused as a whole, in one sentence that names the member.

zip and tar are parsed here and not by the standard library: `tarfile` accepts a truncated archive as whole, reads
extended headers of any length into memory and rounds times to floats; `zipfile` keeps an object per member, takes the
first of two that overlap, and believes the central directory where the local headers differ.
"""
