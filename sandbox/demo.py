"""The demonstration: create a tenant over HTTP and print each step until it is active."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import requests
from rich.console import Console

from sandbox.domains import publish_for, verify
from sandbox.state import State
from sandbox.tokens import TokenError, password_of, person_of, token_for, uses_simulated_issuer

TIMEOUT = 60.0
VERIFY_SECONDS = 20.0
MARKS = {"ok": "[green]✓[/]", "skipped": "[yellow]–[/]", "error": "[red]✗[/]"}


def onboard(state: State, console: Console) -> str | None:
    """Create a tenant and follow it until its operation ends. Return its slug if it became active."""
    try:
        token = token_for(state, "admin", None, None)
    except TokenError as problem:
        console.print(f"[yellow]No tenant was created.[/] {problem}", soft_wrap=True)
        return None
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    slug = f"acme-{secrets.token_hex(3)}"
    console.print(f"\n[bold]POST /tenants[/]  {slug} with the domain {slug}.test, as a platform operator")
    started = time.monotonic()
    response = session.post(
        f"{state['api']}/tenants",
        json={"slug": slug, "name": "Acme GmbH", "plan": "business", "domains": [f"{slug}.test"]},
        timeout=30,
    )
    if response.status_code != 201:
        console.print(f"[red]refused:[/] {response.status_code} {response.text}")
        return None
    console.print(
        f"  201 in {response.elapsed.total_seconds() * 1000:.0f} ms; {response.headers['Operation-Location']}"
    )
    _follow(session, f"{state['api']}{response.headers['Operation-Location']}", console, started)
    tenant = session.get(f"{state['api']}/tenants/{slug}", timeout=10).json()
    _print_end(tenant, console, time.monotonic() - started)
    if state["dns"]["servers"] == state["dns"].get("own"):
        _prove(state, token, slug, console)
    return slug if tenant["status"] == "active" else None


def _follow(session: requests.Session, url: str, console: Console, started: float) -> None:
    """Print each change of a step immediately."""
    shown: dict[str, tuple[Any, ...]] = {}
    while time.monotonic() - started < TIMEOUT:
        operation = session.get(url, timeout=10).json()
        for step in operation["steps"]:
            now = (step["status"], step["attempts"], step.get("reason"))
            if now != shown.get(step["name"]) and now[:2] != ("pending", 0):
                shown[step["name"]] = now
                _print_step(step, console, time.monotonic() - started)
        if operation["status"] != "running":
            return
        time.sleep(0.05)


def _print_step(step: dict[str, Any], console: Console, seconds: float) -> None:
    mark = MARKS.get(step["status"], "[cyan]…[/]")
    attempt = f"attempt {step['attempts']}"
    notes = ", ".join(f"{name}: {text}" for name, text in step.get("notes", {}).items())
    detail = step.get("message") or notes
    console.print(f"  {seconds:5.2f} s  {mark} {step['name']:<10} {step['status']:<8} {attempt}  {detail}")


def _print_end(tenant: dict[str, Any], console: Console, seconds: float) -> None:
    colour = "green" if tenant["status"] == "active" else "red"
    console.print(f"  [bold {colour}]{tenant['status']}[/] after {seconds:.2f} s")
    for step, message in tenant["provisioningErrors"].items():
        console.print(f"  [red]{step}[/]: {message}")
    for name in ("authentikGroupId", "stalwartDomainId", "ocisSpaceId"):
        if name in tenant:
            console.print(f"  {name:<18} {tenant[name]}")
    console.print(f"  {len(tenant.get('dnsRecords', []))} DNS records to publish, on the tenant as dnsRecords")


def _prove(state: State, token: str, slug: str, console: Console) -> None:
    """Publish the DNS records of the domain, and let the platform check them."""
    console.print(f"\n[bold]POST /tenants/{slug}/domains/{slug}.test/verify[/]  after its DNS records are published")
    try:
        records = publish_for(state, token, slug)
        domain = verify(state, token, slug, f"{slug}.test", VERIFY_SECONDS)
    except requests.RequestException as problem:
        console.print(f"  [red]refused:[/] {problem}")
        return
    seen = sum(record.get("presence") == "ok" for record in domain["records"])
    colour = "green" if domain["state"] == "verified" else "yellow"
    console.print(f"  [bold {colour}]{domain['state']}[/]: DNS shows {seen} of {len(records)} records, the proof first")


def print_addresses(state: State, console: Console, slug: str | None, *, stays: bool) -> None:
    flower = state["flower"]
    console.print("\n[bold]Open[/]")
    console.print(f"  Console {state['console']['url']}/")
    for username, who in _people(state, slug):
        console.print(f"          sign in as {username}, password {password_of(username)}: {who}", soft_wrap=True)
    console.print(f"  API     {state['api']}/health")
    console.print(f"  Flower  {flower['url']}  (user {flower['user']}, password {flower['password']})")
    console.print(f"  Logs    {state['logs']}")
    console.print("\n[bold]Try[/]")
    console.print("  TOKEN=$(.venv/bin/python -m sandbox token --as admin)", highlight=False, soft_wrap=True)
    console.print(f'  curl -H "Authorization: Bearer $TOKEN" {state["api"]}/tenants', highlight=False, soft_wrap=True)
    console.print(
        '  .venv/bin/python -m sandbox fault ocis \'{"kind": "storage_down"}\'   # and see what happens',
        highlight=False,
        soft_wrap=True,
    )
    if stays:
        console.print("\nCtrl-C here, or `make down` elsewhere, stops everything.")


def _people(state: State, slug: str | None) -> Iterator[tuple[str, str]]:
    """Create people who can sign in to the console; return each username with a description."""
    if not uses_simulated_issuer(state):
        return
    yield person_of("admin"), "an operator"
    if slug is not None:
        token_for(state, "owner", slug, None)
        yield person_of("owner", slug), f"the owner of {slug}"
