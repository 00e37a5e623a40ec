"""The plain pages of signing in, as HTML. They load nothing, run nothing, and work without a script."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from holdfast.web.http.envelope import Answer, Headers

HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        b"require-trusted-types-for 'script'; trusted-types holdfast",
    ),
    # With no-referrer a browser posts a form with `Origin: null`, which is refused as any other site's.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def page(title: str, parts: Iterable[str], status: int = 200, more: Headers | None = None) -> Answer:
    """A page of parts that are HTML already; `title` is text."""
    html = _PAGE.format(title=escape(title), body="\n".join(parts))
    return Answer(status, html.encode(), [*HEADERS, *(more or [])])


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def form(action: str, button: str, hidden: dict[str, str]) -> str:
    """A form that posts some values with one button."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items()
    )
    return f'<form method="post" action="{escape(action)}">{fields}<button>{escape(button)}</button></form>'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; its heads are text, its cells HTML."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def redirect(path: str, more: Headers) -> Answer:
    """See another page. The address that leads there is told to nobody."""
    headers: Headers = [(b"location", path.encode("ascii")), (b"referrer-policy", b"no-referrer")]
    return Answer(303, b"", [*headers, (b"cache-control", b"no-store"), *more])
