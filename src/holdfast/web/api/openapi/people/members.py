"""The routes of members."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import ID, Json, ref
from holdfast.web.api.openapi.operations import IF_NONE_MATCH, answered, got, operation


def paths() -> Json:
    """The operations, by path and method."""
    member_id: Json = {"name": "member_id", "in": "path", "required": True, "schema": ID}
    member = ref("Member")
    return {
        "/v3/members": {
            "get": operation(
                "listMembers",
                "The account's members, and who is invited",
                got({"type": "array", "items": member}, "The members, oldest first, then the open invitations."),
                parameters=(IF_NONE_MATCH,),
            ),
            "post": operation(
                "addMember",
                "Invite a person",
                answered(
                    ref("InvitedMember"), "The invitation; `url` is shown this once.", 201, location_of="The member's"
                ),
                (409, 413),
                body="NewMember",
                description="Used once, within seven days. It is sent by mail where the instance can, and `url` is "
                "null; else hand that on. Nobody gives a right that he does not have himself (403).",
            ),
        },
        "/v3/members/{member_id}": {
            "patch": operation(
                "changeMember",
                "Change what a member may do",
                answered(member, "The member as he is now."),
                (404, 409, 413),
                parameters=(member_id,),
                body="MemberChange",
                description="The caller needs all rights that the member has and gets. The last owner stays one.",
            ),
            "delete": operation(
                "deleteMember",
                "End a member, or take an invitation back",
                answered(ref("EndedMember"), "His keys and sessions open nothing any more."),
                (404, 409),
                parameters=(member_id,),
            ),
        },
    }
