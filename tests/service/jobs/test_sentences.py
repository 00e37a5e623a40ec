"""The customer's sentence of a failure: each code that a backup or a job can end with has one, which names nothing."""

from __future__ import annotations

import pytest

from holdfast.catalog.database.engine import CatalogUnreachable
from holdfast.service.integrity import prove, verify
from holdfast.service.jobs.failures import Failures
from holdfast.service.jobs.sentences import OWN, SENTENCES, sentence_of
from holdfast.service.restore import files
from holdfast.service.take import failing, hooks, source
from holdfast.sources.databases.errors import DatabaseUnreachable
from holdfast.stores.port import StoreFull
from holdfast.vault.errors import ChunkMissing, SourceFailed

OPERATIONS = (failing.FAILURES, files.FAILURES, verify.FAILURES, prove.FAILURES)


def subclasses(kind: type[SourceFailed]) -> set[type[SourceFailed]]:
    return {kind}.union(*(subclasses(below) for below in kind.__subclasses__()))


def codes() -> set[str]:
    """The codes of the errors whose own text is not made for customers; those of a ServiceError have theirs."""
    assert hooks.HookFailed in subclasses(SourceFailed), source.__name__
    found = {code for operation in OPERATIONS for _, code in operation.codes}
    found |= {operation.disk[0] for operation in OPERATIONS if operation.disk is not None}
    return found | {kind.code for kind in subclasses(SourceFailed)} | {"CATALOG_UNREACHABLE", "INTERNAL_ERROR"}


def test_each_code_has_a_sentence_and_only_one() -> None:
    assert codes() <= set(SENTENCES) | OWN
    assert not set(SENTENCES) & OWN


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_whole_and_names_the_database(code: str) -> None:
    text = sentence_of(code, "The backup", "shop")
    assert text.endswith(".")
    assert not {"{", "}", "/", "`"} & set(text)
    assert ("the database shop" in text) == ("{database}" in SENTENCES[code])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_two_texts_of_a_failure(operation: Failures) -> None:
    secret = "/srv/home on db.internal"
    for error in (StoreFull(secret), CatalogUnreachable(secret), DatabaseUnreachable(secret)):
        found = operation.of(error)
        assert secret in found.detail
        assert secret not in found.message
        assert found.message.startswith(operation.operation)
    unforeseen = operation.of(RuntimeError(secret))
    assert unforeseen.code == "INTERNAL_ERROR"
    assert secret not in unforeseen.message + unforeseen.detail


def test_a_lost_chunk_names_the_file_of_the_backup() -> None:
    error = ChunkMissing("Chunk 02c8 is in none of the packs.")
    error.path, error.backup = b"world/region.mca", "nightly"
    found = files.FAILURES.of(error)
    assert "world/region.mca of the backup nightly" in found.message
    assert "02c8" not in found.message
    assert "02c8" in found.detail
    assert "world/region.mca" in found.detail


def test_a_code_without_a_sentence_gives_nothing_away() -> None:
    assert sentence_of("NEW_CODE", "The restore") == sentence_of("INTERNAL_ERROR", "The restore")
