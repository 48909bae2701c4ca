"""What settings must say together, beyond each being well formed: a sentence for each thing that is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.settings import Settings


def price_problems(given: Settings) -> list[str]:
    unknown = sorted(set(given.stripe_prices) - set(given.plans))
    problems = [f"STRIPE_PRICES names a plan {name} that PLANS does not have" for name in unknown]
    priceless = sorted(plan for plan, price in given.stripe_prices.items() if not price)
    return problems + [f"STRIPE_PRICES gives {plan} no price; write {plan}=price_..." for plan in priceless]


def credential_problems(given: Settings) -> list[str]:
    problems = []
    if given.authentik_api_url and not given.authentik_api_token:
        problems.append("AUTHENTIK_API_URL is set but AUTHENTIK_API_TOKEN is not")
    if given.stalwart_api_url and not (
        given.stalwart_api_token or (given.stalwart_username and given.stalwart_password)
    ):
        problems.append(
            "STALWART_API_URL is set but neither STALWART_API_TOKEN nor STALWART_USERNAME and STALWART_PASSWORD"
        )
    by_account = given.ocis_username and given.ocis_password
    by_client = given.ocis_token_url and given.ocis_client_id and (given.ocis_client_secret or by_account)
    if given.ocis_api_url and not (by_client or by_account):
        problems.append(
            "OCIS_API_URL is set but neither OCIS_TOKEN_URL with OCIS_CLIENT_ID and OCIS_CLIENT_SECRET, "
            "nor OCIS_USERNAME and OCIS_PASSWORD"
        )
    return problems
