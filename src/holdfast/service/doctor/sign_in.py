"""Checks of the sites that sign people in: their secrets, and whether they can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from holdfast.service.doctor.finding import Check, Finding, problem, warning
from holdfast.service.identities.fetch import ProviderUnavailable
from holdfast.service.identities.providers import discover
from holdfast.service.identities.rounds import client_secret
from holdfast.service.instance.home import Instance


def _secrets(instance: Instance) -> Iterator[Finding]:
    for provider in instance.config.sign_in.providers:
        path = Path(provider.client_secret_file)
        try:
            if provider.client_secret_file and not client_secret(provider):
                yield problem(f"{path}, the secret of the provider {provider.name!r}, is empty; write it there.")
            if provider.client_secret_file and path.stat().st_mode & 0o077:
                yield problem(f"Others may read {path}; it holds a secret.", f"chmod 600 {path}")
        except ProviderUnavailable as error:
            yield problem(error.detail)


def _providers(instance: Instance) -> Iterator[Finding]:
    for provider in instance.config.sign_in.providers:
        try:
            discover(provider)
        except ProviderUnavailable as error:
            yield warning(f"{error.detail} Nobody signs in by it until that is put right.")
        if not instance.config.base_url.startswith("https://") and provider.issuer.startswith("https://"):
            yield warning(
                f"base_url is plain http, and the provider {provider.name!r} leads people back there: most providers "
                "refuse that, and whoever is in between takes over their sessions. Set base_url to an https address."
            )


SIGN_IN_CHECKS = (
    Check("secrets of providers", "Nobody else reads the secrets of the sites that sign people in.", _secrets),
    Check("providers", "The sites that sign people in can be reached.", _providers),
)
