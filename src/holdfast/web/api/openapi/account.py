"""The routes of an account: its applications, what retention does with them, its plan."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.operations import APP_ID, IF_NONE_MATCH, got, json_of, operation


def paths() -> Json:
    """The operations, by path and method."""
    app, preview = ref("App"), json_of(enveloped(ref("RetentionPreview")))
    return {
        "/v3/apps": {
            "get": operation(
                "listApps",
                "The account's applications",
                got({"type": "array", "items": app}, "The applications."),
                parameters=(IF_NONE_MATCH,),
            )
        },
        "/v3/apps/{app_id}": {
            "get": operation("getApp", "One application", got(app, "It."), (404,), parameters=(APP_ID, IF_NONE_MATCH))
        },
        "/v3/apps/{app_id}/retention": {
            "get": operation(
                "previewRetention",
                "What retention would do with the application's backups",
                got(ref("RetentionPreview"), "Each backup with what keeps it, or what lets it go. Nothing is changed."),
                (402, 404),
                parameters=(APP_ID, IF_NONE_MATCH),
                description="A backup goes only after a newer good one has succeeded. The rules look at scheduled and "
                "safety backups; what was taken by hand or imported goes only by the plan's caps, and last. With a "
                "backup that has under half of the files or bytes of the one before, retention rests (`shrunk`).",
            )
        },
        "/v3/apps/{app_id}/retention/accept": {
            "post": operation(
                "acceptSize",
                "Say that an application that has shrunk is right as it is",
                {200: {"description": "What retention would do now; it rests no more.", "content": preview}},
                (402, 404),
                parameters=(APP_ID,),
                description="Ends the rest of retention that a backup with under half of the files or bytes of the one "
                "before has begun. Without such a rest nothing is changed.",
            )
        },
        "/v3/account": {
            "get": operation(
                "getAccount",
                "The account, its plan and its usage",
                got(ref("Account"), "The account."),
                parameters=(IF_NONE_MATCH,),
            )
        },
        "/v3/plans": {
            "get": operation(
                "listPlans",
                "The plans, lowest first",
                got({"type": "array", "items": ref("PricePlan")}, "The plans."),
                parameters=(IF_NONE_MATCH,),
                open_to_all=True,
            )
        },
    }
