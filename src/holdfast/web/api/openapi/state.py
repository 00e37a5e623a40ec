"""The routes of an instance's state, for probes and for Prometheus."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.operations import json_of, operation


def paths() -> Json:
    """The operations, by path and method."""
    state = {200: {"description": "Yes.", "content": json_of(enveloped(ref("Health")))}}
    return {
        "/healthz": {"get": operation("isAlive", "Whether the process answers", state, open_to_all=True)},
        "/readyz": {
            "get": operation(
                "isReady", "Whether the catalog and the store can be reached, and jobs are run", state, open_to_all=True
            )
        },
        "/metrics": {
            "get": operation(
                "getMetrics",
                "The instance's figures for Prometheus; only the operator reaches them",
                {200: {"description": "The figures.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
                (404,),
                open_to_all=True,
            )
        },
    }
