"""Claims: each chunk is somebody's exactly once, across processes."""

from __future__ import annotations

import os
import random

from holdfast.vault.archiver.claims import Claims


def ids(count: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(32) for _ in range(count)]


def test_the_first_claim_wins() -> None:
    claims = Claims(Claims.slots_for(100), None)
    some = ids(100, 1)
    assert claims.claim(some) == [True] * 100
    assert claims.claim(some + ids(1, 2)) == [False] * 100 + [True]
    assert claims.claim([some[0], some[0]]) == [False, False]


def test_a_repeated_id_in_one_call_is_claimed_once() -> None:
    assert Claims(1024, None).claim([b"a" * 32, b"a" * 32]) == [True, False]


def test_processes_share_one_table() -> None:
    some = ids(3000, 3)
    slots = Claims.slots_for(len(some))
    fd = Claims.shared_memory(slots)
    pipes = []
    for part in range(3):
        out, into = os.pipe()
        pid = os.fork()
        if not pid:
            mine = random.Random(part).sample(range(len(some)), len(some))
            claims = Claims(slots, fd)
            won = [
                i
                for k in range(0, len(mine), 50)
                for i, w in zip(mine[k : k + 50], claims.claim([some[j] for j in mine[k : k + 50]]), strict=True)
                if w
            ]
            os.write(into, b"".join(i.to_bytes(2, "big") for i in won))
            os._exit(0)
        os.close(into)
        pipes.append((pid, out))
    winners: list[int] = []
    for pid, out in pipes:
        with os.fdopen(out, "rb") as stream:
            data = stream.read()
        os.waitpid(pid, 0)
        winners += [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    assert sorted(winners) == list(range(len(some)))
    os.close(fd)


def test_a_full_table_lets_everybody_store() -> None:
    claims = Claims(1024, None)
    assert all(claims.claim(ids(1024, 4)))
    assert all(claims.claim(ids(10, 5)))
