"""HTTP alone: requests, the envelope, errors, ETags, ranges, pages, uploads. It knows nothing of backups.

Terms
-----
*Envelope*: the shape of every JSON answer. *Page*: part of a list, with the address of the next part. *Thread stream*:
a generator that runs in a thread, a few buffers ahead of its client. *Throttle*: a token bucket for failed attempts.
*Lingering close*: reading on for a while after a refusal, so that the client sees the answer.
"""
