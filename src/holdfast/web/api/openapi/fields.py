"""What the schemas of all subjects are put together from."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

ID_PATTERN = "^[0-9a-f]{32}$"
TIME: Json = {"type": "string", "format": "date-time", "examples": ["2024-12-07T22:07:11+01:00"]}
TIME_OR_NULL: Json = {"type": ["string", "null"], "format": "date-time"}
BYTES: Json = {"type": "integer", "minimum": 0}
BYTES_OR_NULL: Json = {"type": ["integer", "null"], "minimum": 0}
COUNT: Json = {"type": "integer", "minimum": 0}
ID: Json = {"type": "string", "pattern": ID_PATTERN}
ID_OR_NULL: Json = {"type": ["string", "null"], "pattern": ID_PATTERN}
TEXT: Json = {"type": "string"}
FLAG: Json = {"type": "boolean"}
KIND: Json = {"enum": ["file", "folder", "symlink"]}
STATE: Json = {"type": "string", "enum": ["queued", "running", "successful", "failed", "deleting"]}
ORIGIN: Json = {"type": "string", "enum": ["manual", "scheduled", "safety", "imported"]}


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


NOTE: Json = object_of({"code": TEXT, "message": TEXT})
PROGRESS_OR_NULL: Json = {
    "oneOf": [
        object_of({"files": COUNT, "bytes": BYTES, "total_files": COUNT, "total_bytes": BYTES}),
        {"type": "null"},
    ]
}
