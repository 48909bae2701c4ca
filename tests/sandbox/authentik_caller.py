"""Share between tests of the Authentik simulator: its API, its endpoints, and the actions of operators and people."""

from __future__ import annotations

from typing import Any

import requests

from sandbox.simulators.authentik.server import AuthentikSimulator
from tests.simulators import API_TOKEN

ME, USERS, GROUPS = "/api/v3/core/users/me/", "/api/v3/core/users/", "/api/v3/core/groups/"
APPLICATIONS, BINDINGS = "/api/v3/core/applications/", "/api/v3/policies/bindings/"
INVITATIONS, TOKENS, SETTINGS = "/api/v3/stages/invitation/invitations/", "/api/v3/core/tokens/", "/admin/settings/"


class Caller:
    """The API with our token, the token endpoint, and the actions of operators and people."""

    def __init__(self, simulator: AuthentikSimulator) -> None:
        self.simulator = simulator
        self.key = API_TOKEN

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.request(method, self.simulator.url + path, headers=headers, timeout=10, **options)

    def control(self, name: str, **arguments: Any) -> Any:
        answer = requests.post(f"{self.simulator.url}/__sim/call/{name}", json=arguments, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def person(self, username: str, *groups: str) -> int:
        pk: int = self.control("ensure_person", username=username, app_password=f"of-{username}", groups=groups)
        return pk

    def sign_in(self, username: str) -> Any:
        return self.control("sign_in", username=username, client_id="portal")

    def oidc(self, path: str, **form: str) -> requests.Response:
        body = {"client_id": "portal", "client_secret": "portal-secret", **form}
        return requests.post(f"{self.simulator.url}/application/o/{path}/", data=body, timeout=10)

    def userinfo(self, token: str) -> requests.Response:
        url = f"{self.simulator.url}/application/o/userinfo/"
        return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)

    def device(self, username: str) -> str:
        """The code of a device that this person has approved. Raises ValueError when access is denied."""
        started = self.oidc("device", scope="openid offline_access").json()
        self.simulator.oidc.grants.decide_device(started["user_code"], username)
        return str(started["device_code"])

    def poll(self, device_code: str) -> requests.Response:
        return self.oidc("token", grant_type="urn:ietf:params:oauth:grant-type:device_code", device_code=device_code)
