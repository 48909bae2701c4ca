"""Run the OCIS stand-in on a port of its own."""

from __future__ import annotations

import click

from sandbox.simulators.ocis.server import OcisStandIn
from sandbox.simulators.serving import serve_until_told


@click.command()
@click.option("--port", default=0, help="0: any free one.")
@click.option("--issuer", required=True, help="The exact issuer of the tokens it takes, slash at the end included.")
@click.option("--jwks-url", help="Where the issuer's keys are; without it, by discovery at the issuer.")
@click.option("--users", envvar="OCIS_STAND_IN_USERS", default="", help="NAME:PASSWORD:ROLE, comma-separated.")
def main(port: int, issuer: str, jwks_url: str | None, users: str) -> None:
    """A loopback server that behaves as OCIS does."""
    parsed = [text.split(":", 2) for text in users.split(",") if text]
    basic = {name: (password, role) for name, password, role in parsed}
    serve_until_told(OcisStandIn(issuer=issuer, jwks_url=jwks_url, basic_users=basic), port)


main()
