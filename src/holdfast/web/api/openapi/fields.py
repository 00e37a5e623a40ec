"""The parts that schemas of all subjects share."""

from __future__ import annotations

from typing import Any

from holdfast.schemas.fields import ID_PATTERN

Json = dict[str, Any]

ID: Json = {"type": "string", "pattern": ID_PATTERN}


def ref(name: str) -> Json:
    """The schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(properties: Json, **more: Any) -> Json:
    """An object with exactly these properties, all of them there."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def enveloped(response: Json) -> Json:
    """A successful answer around a schema."""
    return object_of({"status": {"type": "string", "const": "success"}, "response": response})
