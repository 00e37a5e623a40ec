"""Sign-in links that the host makes: its panel's button leads one of its people into the dashboard, signed in."""

from __future__ import annotations

from holdfast.catalog.host.accounts import app_id_of_account
from holdfast.catalog.records import Actor
from holdfast.schemas.fields import given
from holdfast.schemas.people.sign_in import NewSignInLink, SignInLink
from holdfast.schemas.times import iso
from holdfast.service.errors import Invalid
from holdfast.service.host.accounts import account_by_external_id
from holdfast.service.instance.home import Instance
from holdfast.service.people.rights import parsed_rights
from holdfast.service.people.sign_in import make_sign_in_link


def sign_in_link(instance: Instance, external_id: str, wanted: NewSignInLink, by: Actor) -> SignInLink:
    """Make a link that signs a person in to an account of the host once, within 60 s.

    Without a `person` it is for whoever has the account's address. Raises NotFound, Invalid (EXTERNAL_ID, APP, GROUP,
    RIGHTS, EMAIL, NAME, RETURN_TO), Conflict (ACCOUNT_ENDED).
    """
    account = account_by_external_id(instance, external_id).account
    group, rights, person = given(wanted.group), given(wanted.rights), given(wanted.person)
    app, app_id = given(wanted.app), None
    if app is not None:
        app_id = app_id_of_account(instance.catalog, account.id, app)
        if app_id is None:
            raise Invalid("app", f"No application of this account has the external id {app!r}.")
    made = make_sign_in_link(
        instance,
        account,
        by,
        email=None if person is None else person.email,
        name=None if person is None else given(person.name),
        rights=None if group is None and rights is None else parsed_rights(group, rights),
        app_id=app_id,
        return_to=given(wanted.return_to),
    )
    return SignInLink(made.url, iso(made.ends_at, instance.zone))
