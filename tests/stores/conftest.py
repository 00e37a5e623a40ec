"""Failures in the shared suite are explained as those in test modules are."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("kit.stores.conformance")
