"""Run the Stalwart simulator as a process."""

from __future__ import annotations

import click

from sandbox.simulators.process import serve_until_stopped
from sandbox.simulators.stalwart.server import StalwartSimulator


@click.command()
@click.option("--port", default=0, help="0: any free one.")
@click.option("--smtp-port", default=0, help="0: any free one.")
@click.option("--api-key", envvar="STALWART_SIMULATOR_KEY", required=True, help="The provisioning account's API key.")
@click.option("--edition", type=click.Choice(["oss", "community", "enterprise"]), default="oss", show_default=True)
@click.option("--mail-host", default="mail.platform.test", show_default=True)
@click.option("--dkim-delay", default=0.2, show_default=True, help="Seconds until a new domain has its keys.")
def main(port: int, smtp_port: int, api_key: str, edition: str, mail_host: str, dkim_delay: float) -> None:
    """Run a loopback server that behaves like Stalwart's management API and its SMTP listener."""
    simulator = StalwartSimulator(api_key=api_key, mail_host=mail_host, dkim_delay=dkim_delay, smtp_port=smtp_port)
    simulator.set_edition(edition)
    serve_until_stopped(simulator, port)


main()
