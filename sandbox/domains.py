"""Act as the owner of a domain: publish in the DNS simulator the records that the platform asks for."""

from __future__ import annotations

from typing import Any

import requests

from sandbox.state import State


def publish_for(state: State, token: str, slug: str) -> list[dict[str, Any]]:
    """Publish all records of a tenant's domains and return them. Raises RequestException when either side refuses."""
    headers = {"Authorization": f"Bearer {token}"}
    response = requests.get(f"{state['api']}/tenants/{slug}/domains", headers=headers, timeout=10)
    response.raise_for_status()
    records = [
        {name: record[name] for name in ("name", "type", "value", "ttl")}
        for domain in response.json()
        for record in domain["records"]
    ]
    control = f"{state['dns']['url']}/__sim/call/publish"
    # withdraw first, then add: several records of one name and type must not replace each other
    for name, type_ in {(record["name"], record["type"]) for record in records}:
        body = {"name": name, "type_": type_}
        requests.post(control.replace("publish", "withdraw"), json=body, timeout=5).raise_for_status()
    requests.post(control, json={"records": records}, timeout=5).raise_for_status()
    return records


def verify(state: State, token: str, slug: str, domain: str, wait: float) -> dict[str, Any]:
    """Request a domain check, wait for it, and return the domain. Raises RequestException."""
    response = requests.post(
        f"{state['api']}/tenants/{slug}/domains/{domain}/verify",
        params={"wait": wait},
        headers={"Authorization": f"Bearer {token}"},
        timeout=wait + 10,
    )
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    return found
