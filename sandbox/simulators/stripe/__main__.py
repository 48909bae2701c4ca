"""Run the Stripe simulator as a process."""

from __future__ import annotations

import click

from sandbox.simulators.process import serve_until_stopped
from sandbox.simulators.stripe.server import StripeSimulator


@click.command()
@click.option("--port", default=0, help="0: any free one.")
@click.option("--api-key", envvar="STRIPE_SIMULATOR_KEY", required=True, help="The secret key that it accepts.")
@click.option("--prices", default="price_starter,price_business,price_enterprise", show_default=True)
@click.option("--endpoint", help="URL that events are sent to.")
@click.option(
    "--endpoint-secret", envvar="STRIPE_SIMULATOR_ENDPOINT_SECRET", help="The secret that events are signed with."
)
def main(port: int, api_key: str, prices: str, endpoint: str | None, endpoint_secret: str | None) -> None:
    """Run a loopback server that behaves as Stripe does."""
    simulator = StripeSimulator(api_key=api_key, prices=[text for text in prices.split(",") if text])
    if endpoint is not None:
        simulator.outbox.add_endpoint(endpoint, endpoint_secret or "")
    serve_until_stopped(simulator, port)


main()
