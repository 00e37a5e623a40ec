"""Floor 3. The target of a restore: what has to change (`plan`), staged beside it (`staging`), put in (`swap`).

Terms
-----
*Change*: one path of the target that is put, taken away or replaced, with everything below it, by one rename each way.
*Staging*: a private folder (mode 0700) on the target's file system, with `new/<n>` (what change number n puts),
`old/<n>` (what it took away).
*Journal*: all changes, durable before the first of them; in the instance's home, never beside the target.
*Fix*: a change of mode, owner, times or attributes of something that stays.

The target's owner may change it under us at any moment. Changes to their own tree are up to them; what must never
happen is that we write, or change the rights of, anything outside it.
"""

STAGING_PREFIX = ".holdfast-restore-"
"""Start of the name of every staging folder."""
