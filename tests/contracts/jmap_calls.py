"""What the contract tests of Stalwart share: JMAP calls in few words, and objects that are taken away again."""

from __future__ import annotations

from typing import Any

import requests

from tests.contracts.real_or_stand_in import Server, unique

USING = ["urn:ietf:params:jmap:core", "urn:stalwart:jmap"]


class Jmap:
    """Calls, and what they made, so that it can be taken away again."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._made: list[tuple[str, str]] = []

    def send(self, *calls: list[Any], using: list[str] | None = None) -> requests.Response:
        body = {"using": using or USING, "methodCalls": [[*call, str(n)] for n, call in enumerate(calls)]}
        return self.server("POST", "/jmap/", json=body)

    def __call__(self, *calls: list[Any]) -> Any:
        """The arguments of the last method's answer."""
        answer = self.send(*calls)
        assert answer.status_code == 200, answer.text
        return answer.json()["methodResponses"][-1][1]

    def set(self, kind: str, **arguments: Any) -> Any:
        return self([f"x:{kind}/set", arguments])

    def create(self, kind: str, **fields: Any) -> str:
        answer = self.set(kind, create={"k": fields})
        assert "created" in answer, answer
        return self.made(kind, answer["created"]["k"]["id"])

    def made(self, kind: str, id_: str) -> str:
        """Take it away at the end."""
        self._made.append((kind, id_))
        return id_

    def refusal(self, kind: str, **fields: Any) -> Any:
        """Why an object is not made."""
        answer = self.set(kind, create={"k": fields})
        assert "notCreated" in answer, answer
        return answer["notCreated"]["k"]

    def get(self, kind: str, id_: str, *properties: str) -> Any:
        (found,) = self([f"x:{kind}/get", {"ids": [id_], "properties": list(properties)}])["list"]
        return found

    def change(self, kind: str, id_: str, **patch: Any) -> Any:
        """None when it is changed, else why not; in names, `__` stands for the pointer's slash."""
        answer = self.set(kind, update={id_: {name.replace("__", "/"): value for name, value in patch.items()}})
        return answer["updated"][id_] if "updated" in answer else answer["notUpdated"][id_]

    def destroy(self, kind: str, id_: str) -> Any:
        """None when it is gone now, else why not."""
        answer = self.set(kind, destroy=[id_])
        return None if answer.get("destroyed") == [id_] else answer["notDestroyed"][id_]

    def domain(self, **fields: Any) -> tuple[str, str]:
        name = f"{unique('contract')}.test"
        return name, self.create("Domain", name=name, **{"dkimManagement": {"@type": "Manual"}, **fields})

    def ids(self, kind: str, **conditions: Any) -> list[str]:
        found: list[str] = self([f"x:{kind}/query", {"filter": conditions}])["ids"]
        return found

    def clean(self) -> None:
        for _ in range(3):
            for kind, id_ in reversed(self._made):
                for signature in self.ids("DkimSignature", domainId=id_) if kind == "Domain" else ():
                    self.set("DkimSignature", destroy=[signature])
                self.set(kind, destroy=[id_])
