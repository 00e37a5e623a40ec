"""The journal: what deeds say of themselves in a server's log, each line with its ids and sizes as fields.

A command that does a deed in its own process says it its own way, so without `logs.configure_logs` nobody hears this.
"""

from __future__ import annotations

import logging

journal = logging.getLogger("holdfast.journal")
journal.addHandler(logging.NullHandler())
