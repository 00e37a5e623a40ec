"""The routes by which an account takes its data out, and has itself erased."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, ref
from holdfast.web.api.openapi.operations import answered, operation


def paths() -> Json:
    """The operations, by path and method."""
    return {
        "/v3/account/erase": {
            "post": operation(
                "eraseAccount",
                "Have the account erased",
                answered(ref("Erasure"), "The time at which all of it is erased.", 202),
                (409, 413),
                body="EraseAsked",
                description="After 72 hours, or when the last lock of a backup ends, all of it is erased: keys first, "
                "then every backup. Until then everything works as before. The owners are told by mail. Asked for "
                "again it changes nothing.",
            ),
            "delete": operation(
                "keepAccount",
                "Keep the account after all",
                answered(ref("Erasure"), "It is not erased."),
                (409,),
            ),
        },
        "/v3/account/export": {
            "get": operation(
                "exportAccount",
                "All data of the account as a zip",
                {
                    200: {
                        "description": "JSON and CSV, made while it is sent.",
                        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
                    }
                },
                description="What the API shows of the account, its people, keys, applications, schedules, backups, "
                "jobs, notices, links and audit, without secrets; what the caller may not read is left out. The files "
                "of the backups are not in it; its README.txt says how they are downloaded.",
            )
        },
    }
