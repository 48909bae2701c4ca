"""One request passes few files, so that a reader can follow it. Counted by a tracer while the request runs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

from api.app import create_app
from shared.config.settings import Settings
from tests.api.conftest import Client, Issuer

ROOT = Path(__file__).parents[2]
PACKAGES = tuple(str(ROOT / package) for package in ("api", "shared"))
#: today's number; raise it only with a reason, lower it when you can
MAX_FILES = 48


def test_creating_a_tenant_passes_few_files(api_settings: Settings, issuer: Issuer, root: Client) -> None:
    client = create_app(api_settings).test_client()
    headers = {"Authorization": f"Bearer {issuer.token('admin')}"}
    passed: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGES):
            passed.add(frame.f_code.co_filename.removeprefix(f"{ROOT}/"))

    # the first request makes connections and fetches keys
    for slug, tracer in (("first", None), ("acme", note)):
        body = {"slug": slug, "name": slug.title(), "domains": [f"{slug}.test"]}
        sys.setprofile(tracer)
        try:
            response = client.post("/tenants", json=body, headers=headers)
        finally:
            sys.setprofile(None)
        assert response.status_code == 201
    assert len(passed) <= MAX_FILES, "\n".join(sorted(passed))
