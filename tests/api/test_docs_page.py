"""The description's page in a real browser: it shows every tag and loads nothing from other hosts."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.api.conftest import Client


def test_the_page_shows_the_routes_by_tag_and_loads_nothing_from_other_hosts(
    api_url: str, anonymous: Client, browser: Browser
) -> None:
    tags = [tag["name"] for tag in anonymous("GET", "/openapi.json").json()["tags"]]
    page = browser.new_page()
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{api_url}/")
    page.wait_for_selector("#swagger-ui .opblock-tag")
    shown = page.inner_text("#swagger-ui")
    url = page.url
    page.close()
    assert url == f"{api_url}/docs"
    assert [tag for tag in tags if tag not in shown] == []
    assert [one for one in asked if not one.startswith((api_url, "data:"))] == []
    assert errors == []


def test_the_page_has_no_inline_script_and_no_other_file_is_served(anonymous: Client) -> None:
    page = anonymous("GET", "/docs")
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    for name in ("index.html", "..%2fdocs_page.py", "oauth2-redirect.html"):
        assert anonymous("GET", f"/docs/assets/{name}").status_code in (401, 404)
