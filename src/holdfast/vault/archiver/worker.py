"""A worker process: reads jobs from its standard input, answers on its standard output (`protocol.py`).

It ends when its input does, so it never outlives the process that started it.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import msgspec

from holdfast.vault.archiver.claims import Claims
from holdfast.vault.archiver.ingest import Ingest
from holdfast.vault.archiver.protocol import Failure, Setup, Success, read_frame, send_frame
from holdfast.vault.archiver.tasks import Job, KnownChunks, NothingKnown, Result
from holdfast.vault.errors import VaultError
from holdfast.vault.pack.seal import VaultKeys


def main() -> None:
    """Run the jobs of one pool until it has no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output printed by a library must not mix with the frames
    first = read_frame(stdin)
    if first is None:
        return
    setup: Setup = pickle.loads(first)  # from our own parent, over our own pipe
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(Job).decode
    try:
        with ThreadPoolExecutor(max_workers=1) as finisher:
            ingest = Ingest(
                setup.source.reader(),
                setup.store,
                VaultKeys(setup.data_key, setup.vault_id),
                setup.encoder,
                _known(setup),
                Claims(setup.claims_slots, setup.claims_fd),
                finisher.submit,
            )
            while body := read_frame(stdin):
                send_frame(stdout, encode(Success(ingest.process(decode(body)))))
            if body is None:
                ingest.abort()
                return
            send_frame(stdout, encode(Success(Result(b"", b"", b"", [], 0, 0, ingest.finish()))))
    except BrokenPipeError:
        return
    except Exception as error:
        message = str(error) if isinstance(error, VaultError | OSError) or _is_store_error(error) else repr(error)
        send_frame(stdout, encode(Failure(type(error).__name__, message)))


def _known(setup: Setup) -> KnownChunks:
    if not setup.known_count:
        return NothingKnown()
    from holdfast.vault.archiver.shared_index import (
        SharedIndex,  # numpy: 0.2 s and 20 MB that a first backup does not need
    )

    return SharedIndex.attach(setup.known_fd, setup.known_count)


def _is_store_error(error: Exception) -> bool:
    return type(error).__module__.startswith("holdfast.stores")


if __name__ == "__main__":
    main()
