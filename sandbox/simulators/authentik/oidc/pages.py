"""Render the pages that people see while they sign in. Plain HTML; Authentik's own pages need a script."""

from __future__ import annotations

import html

from aiohttp import web

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} - Authentik simulator</title></head>
<body><main><h1>{title}</h1>
{body}</main></body>
</html>
"""


def page(title: str, body: str, status: int = 200) -> web.Response:
    """Return a page; `body` is HTML."""
    text = _PAGE.format(title=html.escape(title), body=body)
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})


def message(title: str, text: str, status: int = 200) -> web.Response:
    return page(title, f"<p>{html.escape(text)}</p>\n", status)


def sign_in_page(username: str = "", problem: str = "") -> web.Response:
    """Render the form of the authentication flow, with Authentik's field names."""
    alert = f'<p role="alert">{html.escape(problem)}</p>\n' if problem else ""
    fields = (
        '<p><label>Email or username <input name="uid_field" autocomplete="username" required '
        f'value="{html.escape(username, quote=True)}"></label></p>\n'
        '<p><label>Password <input name="password" type="password" autocomplete="current-password" required>'
        "</label></p>\n"
    )
    return page("Sign in", f'{alert}<form method="post">\n{fields}<p><button>Log in</button></p>\n</form>\n')


def consent_page(application: str, scopes: tuple[str, ...]) -> web.Response:
    items = "".join(f"<li>{html.escape(scope)}</li>" for scope in scopes)
    name = html.escape(application)
    body = f"<p>You're about to sign into {name}.</p>\n<p>It asks for:</p>\n<ul>{items}</ul>\n"
    return page("Continue", f'{body}<form method="post"><p><button>Continue</button></p></form>\n')
