"""Make JMAP calls for the contract tests of Stalwart, and remove the objects that they create."""

from __future__ import annotations

from typing import Any

import requests

from tests.contracts.real_or_simulator import Server, unique

#: a password that the server accepts
STRONG = "correct-Horse7-battery-Staple"
USING = ["urn:ietf:params:jmap:core", "urn:stalwart:jmap"]


def password(secret: str) -> dict[str, Any]:
    return {"0": {"@type": "Password", "secret": secret}}


class Jmap:
    """JMAP calls of one caller, and the objects to remove at the end."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._made: list[tuple[str, str]] = []

    def send(self, *calls: list[Any], using: list[str] | None = None) -> requests.Response:
        body = {"using": using or USING, "methodCalls": [[*call, str(n)] for n, call in enumerate(calls)]}
        return self.server("POST", "/jmap/", json=body)

    def __call__(self, *calls: list[Any]) -> Any:
        """Return the arguments of the last method's answer."""
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
        """Remove the object at the end."""
        self._made.append((kind, id_))
        return id_

    def refusal(self, kind: str, **fields: Any) -> Any:
        """Return the error of a create that is refused."""
        answer = self.set(kind, create={"k": fields})
        assert "notCreated" in answer, answer
        return answer["notCreated"]["k"]

    def get(self, kind: str, id_: str, *properties: str) -> Any:
        (found,) = self([f"x:{kind}/get", {"ids": [id_], "properties": list(properties)}])["list"]
        return found

    def change(self, kind: str, id_: str, **patch: Any) -> Any:
        """Update an object; returns None or the error. In names, `__` stands for the slash of a pointer."""
        answer = self.set(kind, update={id_: {name.replace("__", "/"): value for name, value in patch.items()}})
        return answer["updated"][id_] if "updated" in answer else answer["notUpdated"][id_]

    def destroy(self, kind: str, id_: str) -> Any:
        """Destroy an object; returns None or the error."""
        answer = self.set(kind, destroy=[id_])
        return None if answer.get("destroyed") == [id_] else answer["notDestroyed"][id_]

    def domain(self, **fields: Any) -> tuple[str, str]:
        name = f"{unique('contract')}.test"
        return name, self.create("Domain", name=name, **{"dkimManagement": {"@type": "Manual"}, **fields})

    def user(self, domain: str, name: str = "anna", **fields: Any) -> str:
        return self.create("Account", **{"@type": "User", "name": name, "domainId": domain, **fields})

    def key(self, **permissions: Any) -> tuple[str, str]:
        """Create an API key of an administrator's account of its own; returns the account and the secret."""
        name, domain = self.domain()
        roles = {"@type": "Admin"}
        account = self.user(domain, "keeper", credentials=password(STRONG), roles=roles)
        keeper = Jmap(self.server.caller(basic=(f"keeper@{name}", STRONG)))
        body = {"description": "contract", "permissions": permissions or {"@type": "Inherit"}}
        answer = keeper.set("ApiKey", create={"k": body})
        assert "created" in answer, answer
        return account, answer["created"]["k"]["secret"]

    def act(self, kind: str) -> None:
        """Carry out an action of the server, such as a reload."""
        answer = self.set("Action", create={"k": {"@type": kind}})
        assert "created" in answer, answer

    def ids(self, kind: str, **conditions: Any) -> list[str]:
        found: list[str] = self([f"x:{kind}/query", {"filter": conditions}])["ids"]
        return found

    def clean(self) -> None:
        for _ in range(3):
            for kind, id_ in reversed(self._made):
                for signature in self.ids("DkimSignature", domainId=id_) if kind == "Domain" else ():
                    self.set("DkimSignature", destroy=[signature])
                self.set(kind, destroy=[id_])
