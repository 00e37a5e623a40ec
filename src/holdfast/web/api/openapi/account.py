"""The routes of an account: its applications, what retention does with them, its plan."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, ref
from holdfast.web.api.openapi.operations import APP_ID, IF_NONE_MATCH, got, operation


def paths() -> Json:
    """The operations, by path and method."""
    app = ref("App")
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
                "safety backups; what was taken by hand or imported goes only by the plan's caps, and last.",
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
