"""The envelope around every JSON answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from holdfast.schemas.fields import Shown


class Success(Shown, frozen=True):
    """A successful answer."""

    status: Literal["success"]
    response: Any


class Error(Shown, frozen=True):
    """The answer to a call that was not successful."""

    status: Literal["error"]
    code: Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Z0-9_]*$")]
    message: Annotated[str, msgspec.Meta(min_length=1, description="One sentence for a person.")]
