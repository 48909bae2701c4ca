"""Helpers of the contract tests of OCIS and OpenCloud: an account's calls, and spaces that are removed at the end."""

from __future__ import annotations

import re
from typing import Any

import requests

from tests.contracts.real_or_simulator import Server, unique

V1, BETA = "/graph/v1.0", "/graph/v1beta1"
DAV, TRASH = "/dav/spaces", "/dav/spaces/trash-bin"
VIEWER = "a8d5fe5e-96e3-418d-825b-534dbdf22b99"
EDITOR = "58c63c02-1d89-4572-916a-870abc5a1b7d"
MANAGER = "312c0871-5ef7-4b3a-85b6-0e4074c64049"
ROLE_IDS = {"viewer": VIEWER, "editor": EDITOR, "manager": MANAGER}
#: both products show members for this query
EXPAND = {"$expand": "root($expand=permissions)"}
PURGE, RESTORE = {"Purge": "T"}, {"Restore": "T"}


class Spaces:
    """One account at OCIS. A space is named by its id."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._made: list[str] = []

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.server(method, path, **options)

    def create(self, **fields: Any) -> str:
        answer = self.try_create(**fields)
        assert answer.status_code == 201, answer.text
        return self._made[-1]

    def try_create(self, **fields: Any) -> requests.Response:
        answer = self("POST", f"{V1}/drives", json={"name": unique("contract"), "driveType": "project", **fields})
        if answer.status_code == 201:
            self._made.append(answer.json()["id"])
        return answer

    def get(self, space: str) -> requests.Response:
        return self("GET", f"{V1}/drives/{space}")

    def change(self, space: str, body: dict[str, Any], **options: Any) -> requests.Response:
        return self("PATCH", f"{V1}/drives/{space}", json=body, **options)

    def restore(self, space: str) -> requests.Response:
        return self.change(space, {}, headers=RESTORE)

    def disable(self, space: str) -> requests.Response:
        return self("DELETE", f"{V1}/drives/{space}")

    def purge(self, space: str) -> requests.Response:
        return self("DELETE", f"{V1}/drives/{space}", headers=PURGE)

    def lists(self, space: str, path: str = f"{V1}/drives") -> bool:
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return space in {one["id"] for one in answer.json()["value"]}

    def own_id(self) -> str:
        id_: str = self("GET", f"{V1}/me").json()["id"]
        return id_

    def invite(self, space: str, who: str, role: str, kind: str = "user") -> requests.Response:
        recipient = {"@libre.graph.recipient.type": kind, "objectId": who}
        body = {"recipients": [recipient], "roles": [ROLE_IDS[role]]}
        return self("POST", f"{BETA}/drives/{space}/root/invite", json=body)

    def members(self, space: str) -> requests.Response:
        return self("GET", f"{BETA}/drives/{space}/root/permissions")

    def put(self, space: str, name: str, content: bytes) -> requests.Response:
        return self("PUT", f"{DAV}/{space}/{name}", data=content)

    def entries(self, space: str, below: str = DAV) -> int:
        """Count the entries of a folder; -1 when it is not shown."""
        answer = self("PROPFIND", f"{below}/{space}", headers={"Depth": "1"})
        return len(re.findall(r"</(?:[\w-]+:)?response>", answer.text)) - 1 if answer.status_code == 207 else -1

    def clean(self) -> None:
        for space in self._made:
            self.disable(space)
            self.purge(space)
