"""`holdfast person link|reset-2fa`: for who cannot sign in; and `holdfast mail test`, a mail to see if mail works."""

from __future__ import annotations

from typing import Annotated

from holdfast.cli.command_line.declared import Argument, Group
from holdfast.cli.output import Json, print_json
from holdfast.cli.state import operator, state

people = Group()
mail = Group()

Email = Annotated[str, Argument(metavar="EMAIL", help="The person's e-mail address.")]


@people.command("link")
def link(email: Email, json: Json = False) -> None:
    """Print a link by which a person sets a new password, once, within 15 minutes."""
    from holdfast.schemas.people.passwords import PasswordLink
    from holdfast.schemas.times import iso
    from holdfast.service.credentials.password_links import make_password_link

    with state.instance() as instance:
        made = make_password_link(instance, email, operator())
        shown = PasswordLink(email.strip().lower(), made.url, iso(made.ends_at, instance.zone))
    if json:
        print_json(shown)
    else:
        print(f"Person   {shown.email}\nLink     {shown.url}\nWorks once, until {shown.expires_at}.")


@people.command("reset-2fa")
def reset(email: Email, json: Json = False) -> None:
    """Remove authenticator app and passkeys of a person who is locked out, and end his sessions; the password stays."""
    from holdfast.schemas.people.passwords import SecondFactorReset
    from holdfast.service.credentials.second_factor import reset_second_factor

    with state.instance() as instance:
        found = reset_second_factor(instance, email, operator())
    if json:
        print_json(SecondFactorReset(found.email, found.passkeys))
    else:
        way = (
            "signs in by the password alone" if found.has_password else "has no password: give a link or an invitation"
        )
        print(f"{found.email} has no second factor and no passkey any more, and {way}. All sessions have ended.")


@mail.command("test")
def send_test_mail(
    address: Annotated[str, Argument(metavar="ADDRESS", help="The address to send a mail to.")],
    json: Json = False,
) -> None:
    """Send a mail by the server of holdfast.toml."""
    from holdfast.schemas.people.passwords import MailSent
    from holdfast.service.notify.mail import send_test
    from holdfast.service.people.giving import checked_email

    with state.instance() as instance:
        to = checked_email(address)
        send_test(instance, to)
    if json:
        print_json(MailSent(to))
    else:
        print(f"A mail is on its way to {to}.")
