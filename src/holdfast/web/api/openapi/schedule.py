"""The routes of schedules."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.operations import APP_ID, IF_NONE_MATCH, got, json_of, operation


def paths() -> Json:
    """The operations, by path and method."""
    schedule = ref("Schedule")
    set_it = {200: {"description": "The schedule as it is now.", "content": json_of(enveloped(schedule))}}
    return {
        "/v3/apps/{app_id}/schedule": {
            "get": operation(
                "getSchedule",
                "When an application is backed up by itself, and what of that is kept",
                got(schedule, "The schedule, with its next five runs and what its patterns leave out now."),
                (402, 404),
                parameters=(APP_ID, IF_NONE_MATCH),
            ),
            "put": operation(
                "setSchedule",
                "Set an application's schedule",
                set_it,
                (402, 404, 413),
                parameters=(APP_ID,),
                body="NewSchedule",
                description="Replaces the whole schedule: what is left out is as if it was never set. `cron` can't be "
                "left out; null ends the backups by themselves.",
            ),
        }
    }
