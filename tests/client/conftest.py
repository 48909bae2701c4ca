"""The Python client against the real API."""

from __future__ import annotations

import pytest

from client import Platform
from tests.api.conftest import Issuer, api_settings, api_url, authentik, issuer, serve, worker_apis, worker_authentik  # noqa: F401
from tests.platformctl.conftest import Workers, workers  # noqa: F401


@pytest.fixture
def platform(api_url: str, issuer: Issuer) -> Platform:  # noqa: F811
    """Return a platform administrator's client."""
    made = Platform(api_url, issuer.token("admin"))
    made.users.me()
    return made
