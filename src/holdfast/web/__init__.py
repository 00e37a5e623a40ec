"""Floor 7. Everything that speaks HTTP: API v3, the downloads, the documentation page, and the server under them.

Terms. The *envelope* is the shape of every JSON answer, `{"status", "response"}` or `{"status", "code", "message"}`.
An *answer* is a finished small response. A *thread stream* carries a download's bytes from a thread to the event
loop. The *context* is what the handlers share: the instance, the jobs, the threads, the throttles.

This floor only translates between HTTP and `service/`: no rule about backups is decided here, nothing here reads a pack
or writes a row. This is the only floor with `async` code; whatever may block runs in a thread.
"""
