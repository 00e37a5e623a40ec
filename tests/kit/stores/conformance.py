"""One suite that every store passes: memory is a full implementation, not a mock.

Terms: *store* is the empty store under test, given by the fixture of the class that inherits the suite.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.stores.port import ObjectMissing, Store, StoreError


class StoreConformance:
    """What holds for every store."""

    def test_what_is_put_is_there(self, store: Store) -> None:
        store.put("backups/one", b"content")
        assert store.get("backups/one") == b"content"
        assert store.size("backups/one") == 7
        store.put("backups/one", b"other")
        assert store.get("backups/one") == b"other"

    def test_ranges(self, store: Store) -> None:
        store.put("o", bytes(range(100)))
        assert store.get_range("o", 10, 5) == bytes(range(10, 15))
        assert store.get_range("o", 95, 50) == bytes(range(95, 100))
        assert store.get_range("o", 200, 5) == b""

    def test_a_reader_reads_at_many_places(self, store: Store) -> None:
        store.put("o", bytes(range(100)))
        reader = store.open("o")
        assert reader.size == 100
        buffer = memoryview(bytearray(10))
        assert reader.read_into(50, buffer) == 10
        assert bytes(buffer) == bytes(range(50, 60))
        assert reader.read_into(95, buffer) == 5
        reader.close()
        reader.close()

    def test_an_object_in_the_making_is_invisible(self, store: Store) -> None:
        writer = store.writer()
        buffer = bytearray(b"first")
        writer.write(buffer)
        buffer[:] = b"XXXXX"  # the buffer is the caller's again
        assert list(store.list("")) == []
        writer.write(memoryview(b" second"))
        writer.commit("packs/ab/abc")
        assert store.get("packs/ab/abc") == b"first second"
        assert list(store.list("packs/")) == [("packs/ab/abc", 12)]

    def test_an_aborted_object_leaves_nothing(self, store: Store) -> None:
        writer = store.writer()
        writer.write(b"gone")
        writer.abort()
        writer.abort()
        assert list(store.list("")) == []

    def test_what_is_missing_says_so(self, store: Store) -> None:
        for attempt in _reads(store):
            with pytest.raises(ObjectMissing, match="nothing/here"):
                attempt("nothing/here")

    def test_delete_is_idempotent(self, store: Store) -> None:
        store.put("o", b"x")
        store.delete("o")
        store.delete("o")
        with pytest.raises(ObjectMissing):
            store.get("o")

    def test_listing_is_sorted_and_by_prefix(self, store: Store) -> None:
        for name in ("b/2", "a/1", "b/10", "bb"):
            store.put(name, name.encode())
        assert [name for name, _ in store.list("")] == ["a/1", "b/10", "b/2", "bb"]
        assert [name for name, _ in store.list("b/")] == ["b/10", "b/2"]
        assert [name for name, _ in store.list("b")] == ["b/10", "b/2", "bb"]
        assert list(store.list("none/")) == []

    @pytest.mark.parametrize("name", ["", "/a", "a/", "../x", "a/../b", "a//b", ".hidden", "a b", "ä", "a\n"])
    def test_names_that_no_object_may_have(self, store: Store, name: str) -> None:
        with pytest.raises(ValueError, match="name"):
            store.put(name, b"")

    @pytest.mark.parametrize("end", ["commit", "abort"])
    def test_an_ended_object_takes_nothing_more(self, store: Store, end: str) -> None:
        writer = store.writer()
        writer.write(b"x")
        if end == "commit":
            writer.commit("o")
        else:
            writer.abort()
        with pytest.raises(StoreError, match="again with a new writer"):
            writer.write(b"y")
        with pytest.raises(StoreError, match="again with a new writer"):
            writer.commit("other")
        writer.abort()
        assert [name for name, _ in store.list("")] == (["o"] if end == "commit" else [])

    def test_objects_in_the_making_do_not_meet(self, store: Store) -> None:
        writers = {f"packs/{i}": store.writer() for i in range(5)}
        for name, writer in writers.items():
            writer.write(name.encode())
        for name, writer in writers.items():
            writer.commit(name)
        assert {name: store.get(name) for name, _ in store.list("")} == {name: name.encode() for name in writers}

    def test_a_commit_replaces(self, store: Store) -> None:
        store.put("o", b"old and longer")
        reader = store.open("o")
        writer = store.writer()
        writer.write(b"new")
        writer.commit("o")
        assert store.get("o") == b"new"
        buffer = memoryview(bytearray(14))
        assert reader.read_into(0, buffer) == 14  # who has it open goes on reading what there was
        assert bytes(buffer) == b"old and longer"
        reader.close()

    @pytest.mark.parametrize("data", [b"", bytearray(b"ab"), memoryview(b"abcdef")[1:3], bytes(9 * 1024 * 1024)])
    def test_any_bytes_in_any_form(self, store: Store, data: bytes | bytearray | memoryview) -> None:
        store.put("put", data)
        writer = store.writer()
        writer.write(data)
        writer.commit("written")
        assert store.get("put") == store.get("written") == bytes(data)
        assert store.size("put") == len(data)

    def test_a_part_of_a_name_is_no_object(self, store: Store) -> None:
        store.put("packs/ab/abc", b"x")
        for name in ("packs", "packs/ab", "packs/ab/abc/d"):
            for attempt in _reads(store):
                with pytest.raises(ObjectMissing):
                    attempt(name)
        store.delete("packs/ab/abc/d")

    @pytest.mark.parametrize("prefix", ["/", "../", "a//", "a/../", "."])
    def test_prefixes_that_no_name_has(self, store: Store, prefix: str) -> None:
        with pytest.raises(ValueError, match="name"):
            list(store.list(prefix))


def _reads(store: Store) -> list[Callable[[str], object]]:
    return [store.get, store.open, store.size, lambda name: store.get_range(name, 0, 1)]
