"""Share between tests of the Authentik simulator: its API, its endpoints, and the actions of operators and people."""

from __future__ import annotations

from typing import Any

import requests

from sandbox.simulators.authentik.server import AuthentikStandIn
from tests.stand_ins import API_TOKEN

ME, USERS, GROUPS = "/api/v3/core/users/me/", "/api/v3/core/users/", "/api/v3/core/groups/"
APPLICATIONS, BINDINGS = "/api/v3/core/applications/", "/api/v3/policies/bindings/"
INVITATIONS, TOKENS, SETTINGS = "/api/v3/stages/invitation/invitations/", "/api/v3/core/tokens/", "/admin/settings/"


class Caller:
    """The API with our token, the token endpoint, and the actions of operators and people."""

    def __init__(self, stand_in: AuthentikStandIn) -> None:
        self.stand_in = stand_in
        self.key = API_TOKEN

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.request(method, self.stand_in.url + path, headers=headers, timeout=10, **options)

    def control(self, name: str, **arguments: Any) -> Any:
        answer = requests.post(f"{self.stand_in.url}/__sim/call/{name}", json=arguments, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def person(self, username: str, *groups: str) -> int:
        pk: int = self.control("ensure_person", username=username, app_password=f"of-{username}", groups=groups)
        return pk

    def sign_in(self, username: str) -> Any:
        return self.control("sign_in", username=username, client_id="portal")

    def oidc(self, path: str, **form: str) -> requests.Response:
        body = {"client_id": "portal", "client_secret": "portal-secret", **form}
        return requests.post(f"{self.stand_in.url}/application/o/{path}/", data=body, timeout=10)

    def userinfo(self, token: str) -> requests.Response:
        url = f"{self.stand_in.url}/application/o/userinfo/"
        return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)

    def device(self, username: str) -> str:
        """The code of a device that this person has approved. Raises ValueError when access is denied."""
        started = self.oidc("device", scope="openid offline_access").json()
        self.stand_in.oidc.grants.decide_device(started["user_code"], username)
        return str(started["device_code"])

    def poll(self, device_code: str) -> requests.Response:
        return self.oidc("token", grant_type="urn:ietf:params:oauth:grant-type:device_code", device_code=device_code)
