"""Run the Authentik simulator as a process."""

from __future__ import annotations

import click
from pydantic import TypeAdapter

from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.process import serve_until_stopped


@click.command()
@click.option("--port", default=0, help="0: any free one.")
@click.option(
    "--api-token", envvar="AUTHENTIK_SIMULATOR_TOKEN", required=True, help="Key of the superuser's API token."
)
@click.option("--admin-group", default="dezky-platform-admins", show_default=True)
@click.option(
    "--clients",
    envvar="AUTHENTIK_SIMULATOR_CLIENTS",
    default="[]",
    help="OAuth clients, a JSON list of objects with the fields of OidcClient.",
)
def main(port: int, api_token: str, admin_group: str, clients: str) -> None:
    """Run a loopback server that behaves as Authentik does."""
    parsed = TypeAdapter(tuple[OidcClient, ...]).validate_json(clients)
    serve_until_stopped(AuthentikSimulator(api_token=api_token, admin_group=admin_group, clients=parsed), port)


main()
