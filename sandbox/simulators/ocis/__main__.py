"""Run the simulator of OCIS or OpenCloud as a process."""

from __future__ import annotations

import click

from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.process import serve_until_stopped


@click.command()
@click.option("--port", default=0, help="0: any free one.")
@click.option("--issuer", required=True, help="Exact issuer of the tokens that it accepts, with the slash at the end.")
@click.option("--jwks-url", help="URL of the issuer's keys; without it they are discovered.")
@click.option(
    "--users", envvar="OCIS_SIMULATOR_USERS", default="", help="App tokens: NAME:TOKEN:ROLE, comma-separated."
)
@click.option("--opencloud", is_flag=True, help="Behave as OpenCloud does.")
def main(port: int, issuer: str, jwks_url: str | None, users: str, opencloud: bool) -> None:
    """Run a loopback server that behaves as OCIS does."""
    parsed = [text.split(":", 2) for text in users.split(",") if text]
    basic = {name: (password, role) for name, password, role in parsed}
    serve_until_stopped(OcisSimulator(issuer=issuer, jwks_url=jwks_url, basic_users=basic, opencloud=opencloud), port)


main()
