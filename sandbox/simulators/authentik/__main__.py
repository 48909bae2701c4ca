"""Run the Authentik stand-in on a port of its own."""

from __future__ import annotations

import click

from sandbox.simulators.authentik.oidc import OidcClient
from sandbox.simulators.authentik.server import AuthentikStandIn
from sandbox.simulators.serving import serve_until_told


@click.command()
@click.option("--port", default=0, help="0: any free one.")
@click.option("--api-token", envvar="AUTHENTIK_STAND_IN_TOKEN", required=True, help="Key of the superuser's API token.")
@click.option("--admin-group", default="dezky-platform-admins", show_default=True)
@click.option(
    "--clients",
    envvar="AUTHENTIK_STAND_IN_CLIENTS",
    default="",
    help="SLUG:CLIENT_ID:SECRET, comma-separated; a public client has no secret.",
)
def main(port: int, api_token: str, admin_group: str, clients: str) -> None:
    """A loopback server that behaves as Authentik does."""
    parsed = tuple(OidcClient(*text.split(":", 2)) for text in clients.split(",") if text)
    serve_until_told(AuthentikStandIn(api_token=api_token, admin_group=admin_group, clients=parsed), port)


main()
