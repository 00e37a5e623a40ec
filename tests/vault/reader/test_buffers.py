"""The size of the buffers changes nothing of what is read."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from itertools import cycle

import pytest
from kit.vault_bench import Bench

from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.reader.records import BUFFER_BYTES

KB = 1024


def small_files(bench: Bench, content: Callable[[int], bytes]) -> None:
    (bench.root / "small").mkdir()
    for n in range(3000):
        (bench.root / "small" / str(n)).write_bytes(content(n))


def rendered(bench: Bench, sizes: list[int], layout: str) -> tuple[str, int]:
    """Digest of a whole download, and the longest buffer."""
    snapshot = bench.open()
    try:
        turns = cycle(sizes)
        snapshot.reader.buffer_bytes = lambda: next(turns)
        root = snapshot.root
        pieces = (
            zip_layout.pieces(snapshot, 0, root.zip_bytes)
            if layout == "zip"
            else targz.pieces(snapshot, 0, root.tar_bytes)
        )
        digest, longest = hashlib.sha256(), 0
        for buffer in snapshot.reader.render(pieces):
            digest.update(buffer)
            longest = max(longest, len(buffer))
        return digest.hexdigest(), longest
    finally:
        snapshot.close()


@pytest.mark.parametrize("layout", ["zip", "tar.gz"])
def test_buffers_of_any_size_hold_the_same(bench: Bench, layout: str) -> None:
    small_files(bench, lambda n: b"%d" % n * (n % 900))
    (bench.root / "large").write_bytes(random.Random(1).randbytes(5_000_000))
    bench.take()
    whole, _ = rendered(bench, [BUFFER_BYTES], layout)
    for sizes in ([128 * KB], [4 * KB], [BUFFER_BYTES, KB, 300 * KB]):
        assert rendered(bench, sizes, layout)[0] == whole


def test_small_buffers_are_small(bench: Bench) -> None:
    small_files(bench, lambda n: random.Random(n).randbytes(900))
    bench.take()
    assert rendered(bench, [BUFFER_BYTES], "zip")[1] > 512 * KB
    assert rendered(bench, [128 * KB], "zip")[1] <= 256 * KB
