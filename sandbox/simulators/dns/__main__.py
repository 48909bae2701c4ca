"""Run the DNS simulator: controls on one port, DNS on another."""

from __future__ import annotations

import click

from sandbox.simulators.dns.server import DnsSimulator
from sandbox.simulators.process import serve_until_stopped


@click.command()
@click.option("--port", default=0, help="Of the control path, over HTTP. 0: any free one.")
@click.option("--dns-port", default=0, help="Of DNS, over UDP and TCP. 0: any free one.")
def main(port: int, dns_port: int) -> None:
    """Serve DNS on loopback; its records are set over HTTP."""
    serve_until_stopped(DnsSimulator(dns_port=dns_port), port)


main()
