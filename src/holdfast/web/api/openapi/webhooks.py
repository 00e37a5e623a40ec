"""The routes of webhooks."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import ID, Json, ref
from holdfast.web.api.openapi.operations import IF_NONE_MATCH, LINK, PAGE_SIZE, answered, got, operation, query


def paths() -> Json:
    """The operations, by path and method."""
    webhook_id: Json = {"name": "webhook_id", "in": "path", "required": True, "schema": ID}
    webhook, with_secret = ref("Webhook"), ref("WebhookWithSecret")
    after = query("after", ID, "Only what is older than the delivery of this id.")

    made = answered(with_secret, "It is there; its secret is shown this once.", 201, location_of="The webhook's")
    return {
        "/v3/webhooks": {
            "get": operation(
                "listWebhooks",
                "Where the account is told of events",
                got({"type": "array", "items": webhook}, "The webhooks and other targets, oldest first."),
                parameters=(IF_NONE_MATCH,),
            ),
            "post": operation(
                "addWebhook",
                "Be told of events",
                made,
                (409, 413),
                body="NewWebhook",
                description="An `https://` URL makes a webhook, signed as https://www.standardwebhooks.com says; a URL "
                "of apprise (`mailtos://`, `discord://`, `slack://`, `tgram://`, `ntfys://` ...) a message to people.",
            ),
        },
        "/v3/webhooks/{webhook_id}": {
            "get": operation(
                "getWebhook", "One webhook", got(webhook, "It."), (404,), parameters=(webhook_id, IF_NONE_MATCH)
            ),
            "patch": operation(
                "changeWebhook",
                "Change a webhook",
                answered(webhook, "The webhook as it is now."),
                (404, 413),
                parameters=(webhook_id,),
                body="WebhookChange",
            ),
            "delete": operation(
                "deleteWebhook",
                "Delete a webhook and its log",
                answered(ref("DeletedWebhook"), "Gone."),
                (404,),
                parameters=(webhook_id,),
            ),
        },
        "/v3/webhooks/{webhook_id}/deliveries": {
            "get": operation(
                "listDeliveries",
                "What was sent to a webhook, newest first",
                got({"type": "array", "items": ref("Delivery")}, "A page of the log, which has 30 days.", LINK),
                (404,),
                parameters=(webhook_id, PAGE_SIZE, after, IF_NONE_MATCH),
            )
        },
        "/v3/webhooks/{webhook_id}/test": {
            "post": operation(
                "testWebhook",
                "Send a test now",
                answered(ref("Delivery"), "It was sent, or could not be: see `state`, `status` and `error`."),
                (404, 409),
                parameters=(webhook_id,),
            )
        },
        "/v3/webhooks/{webhook_id}/secret": {
            "post": operation(
                "rotateWebhookSecret",
                "Give a webhook a new secret",
                answered(with_secret, "With the new secret, shown this once; the old one signs too for 24 h."),
                (404, 409),
                parameters=(webhook_id,),
            )
        },
    }
