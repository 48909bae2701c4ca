"""The settings of integrations: addresses, credentials, plans, and checks that they are consistent."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import ssl
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import AnyHttpUrl, AnyUrl, BaseModel, ConfigDict, Field, SecretStr, UrlConstraints, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource

from shared.config.sources import FileSettingsSource, FormerNamesSource
from shared.integrations.catalog import INTEGRATIONS, OPTIONAL, Integration

GIB = 2**30
CommaSeparated = Annotated[tuple[str, ...], NoDecode]
SecretsCommaSeparated = Annotated[tuple[SecretStr, ...], NoDecode]
Pairs = Annotated[dict[str, str], NoDecode]
SmtpUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["smtp", "smtps"], host_required=True)]
#: shortest length of the key that signs new proofs and ownership markers and encrypts secrets
MIN_STAMP_KEY_LENGTH = 32
#: characters that an HTTP header can carry without encoding
HEADER_SAFE = re.compile("[!-~]*")


class Plan(BaseModel):
    """Quotas of a plan; 0 means unlimited. `mail_bytes` is for all mailboxes together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mailboxes: int = Field(0, ge=0)
    mail_bytes: int = Field(0, ge=0)
    space_bytes: int = Field(0, ge=0)


DEFAULT_PLANS: dict[str, Plan] = {
    "starter": Plan(mailboxes=10, mail_bytes=50 * GIB, space_bytes=50 * GIB),
    "business": Plan(mailboxes=50, mail_bytes=500 * GIB, space_bytes=500 * GIB),
    "enterprise": Plan(mailboxes=500, mail_bytes=5000 * GIB, space_bytes=5000 * GIB),
}


class IntegrationSettings(BaseSettings):
    """The part of Settings about integrations. An integration without its address or key is not configured."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FileSettingsSource(settings_cls), FormerNamesSource(settings_cls)

    authentik_api_url: AnyHttpUrl | None = Field(
        None, description="address of Authentik; without it the step is skipped"
    )
    authentik_api_token: SecretStr | None = Field(
        None, description="API token of Authentik's service account for the platform"
    )
    stalwart_api_url: AnyHttpUrl | None = Field(
        None, description="address of Stalwart's HTTP interface; without it the step is skipped"
    )
    stalwart_api_token: SecretStr | None = Field(
        None, description="API key of the platform's account in Stalwart; or user name and password"
    )
    stalwart_username: str | None = Field(None, description="user name of the platform's account in Stalwart")
    stalwart_password: SecretStr | None = Field(None, description="password of the platform's account in Stalwart")
    authentik_email_stage: str | None = Field(
        None, description="id of the e-mail stage that sends owners their invitation; without it no e-mail is sent"
    )
    authentik_invitation_duration: str = Field(
        "days=3",
        pattern="^(weeks|days|hours|minutes|seconds)=[1-9]\\d*(;(weeks|days|hours|minutes|seconds)=[1-9]\\d*)*$",
        description="lifetime of the link in an owner's invitation, in Authentik's notation",
    )
    stalwart_smtp_url: SmtpUrl | None = Field(
        None,
        description="smtp:// or smtps:// address of Stalwart's SMTP listener, to verify that closed mail is refused; "
        "allow the workers' addresses there (x:AllowedIp)",
    )
    stalwart_tenants: Literal["auto", "require", "off"] = Field(
        "auto",
        description="link objects to a Stalwart tenant: if licensed (auto), always (require), never (off)",
    )
    ocis_api_url: AnyHttpUrl | None = Field(
        None, description="address of OCIS or OpenCloud; without it the step is skipped"
    )
    ocis_token_url: AnyHttpUrl | None = Field(
        None,
        description="token endpoint of OCIS' identity provider; without it HTTP Basic is used",
    )
    ocis_client_id: str | None = Field(None, description="OCIS' client at the identity provider")
    ocis_client_secret: SecretStr | None = Field(None, description="secret of that client; or user name and password")
    ocis_username: str | None = Field(None, description="user name of the platform's account in OCIS")
    ocis_password: SecretStr | None = Field(None, description="app password of the platform's account in OCIS")
    ocis_scope: str = Field("openid profile entitlements", description="scopes of the token requests for OCIS")
    ocis_member_role: Literal["viewer", "editor", "manager"] = Field(
        "editor", description="role of a tenant's group in its space"
    )

    stripe_api_key: SecretStr | None = Field(
        None, description="secret or restricted key of the Stripe account; without it there is no billing"
    )
    stripe_api_url: AnyHttpUrl = Field(
        AnyHttpUrl("https://api.stripe.com"), description="address of Stripe's API, or of a simulator"
    )
    stripe_webhook_secrets: SecretsCommaSeparated = Field(
        (), description="signing secrets of the endpoint /stripe/events, comma-separated; any of them verifies"
    )
    stripe_prices: Pairs = Field(
        {}, description="plan=price pairs, comma-separated; a plan without a price is not billed"
    )
    plans: Annotated[dict[str, Plan], NoDecode] = Field(
        DEFAULT_PLANS, description="JSON object: plan name to mailboxes, mail_bytes, space_bytes; 0 is unlimited"
    )

    stamp_keys: SecretsCommaSeparated = Field(
        (),
        description="secret keys of markers, proofs and encryption, comma-separated; the first signs, all verify",
    )
    extra_ca_certs: str | None = Field(
        None, description="PEM file of certificate authorities to trust besides the system's"
    )

    @field_validator("authentik_api_token", "stalwart_api_token", "stripe_api_key", mode="before")
    @classmethod
    def _token(cls, given: Any) -> Any:
        """Strip the token; None when it is empty."""
        if not isinstance(given, str):
            return given
        if not HEADER_SAFE.fullmatch(given.strip()):
            # checked here, because the HTTP library's error would show the token in our logs
            raise ValueError("must be one line of printable ASCII characters without spaces")
        return given.strip() or None

    @field_validator("plans", mode="before")
    @classmethod
    def _catalogue(cls, given: Any) -> Any:
        try:
            return json.loads(given) if isinstance(given, str) else given
        except (ValueError, RecursionError):
            raise ValueError("is not JSON") from None

    @field_validator("extra_ca_certs")
    @classmethod
    def _certificates(cls, given: str | None) -> str | None:
        try:
            if given is not None:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=given)
        except ssl.SSLError:
            raise ValueError(f"{given} holds no certificates") from None
        except OSError as problem:
            raise ValueError(f"{given} cannot be read: {problem.strerror}") from None
        return given

    @property
    def configured(self) -> frozenset[str]:
        """Return the names of the integrations that have an address or a key."""
        return frozenset(name for name, one in INTEGRATIONS.items() if getattr(self, one.address) is not None)

    @property
    def integration_urls(self) -> dict[str, str]:
        """Return integration to the address of its API. The key of Stripe's library implies an address."""
        given = {name: getattr(self, one.address) for name, one in INTEGRATIONS.items()}
        return {name: str(value) for name, value in given.items() if isinstance(value, AnyHttpUrl)}

    @property
    def disabled_integrations(self) -> frozenset[str]:
        """Return the optional integrations that are not configured."""
        return OPTIONAL - self.configured

    @property
    def credential_fingerprints(self) -> dict[str, str]:
        """Return each integration's keyed hash of its credentials, to detect renewed ones; empty without STAMP_KEYS."""
        key = self.stamp_key_texts[0].encode() if self.stamp_keys else None
        if key is None:
            return {}
        settings = {name: chain.from_iterable(one.credentials) for name, one in INTEGRATIONS.items()}
        return {name: _fingerprint(key, [getattr(self, one) for one in found]) for name, found in settings.items()}

    @property
    def stamp_key_texts(self) -> tuple[str, ...]:
        return tuple(key.get_secret_value() for key in self.stamp_keys)

    def problems_of_integrations(self) -> list[str]:
        """Return a sentence for each missing or contradictory setting."""
        problems = [*self.problems_of_credentials(), *self._problems_of_prices()]
        if not self.plans:
            problems.append("PLANS must have at least one plan")
        if any(INTEGRATIONS[name].marked for name in self.configured) and not self.stamp_keys:
            problems.append("STAMP_KEYS must be set when an integration is configured (a long random string)")
        if self.stamp_keys and len(self.stamp_key_texts[0]) < MIN_STAMP_KEY_LENGTH:
            problems.append(
                f"the first of STAMP_KEYS must have at least {MIN_STAMP_KEY_LENGTH} characters (openssl rand -hex 32); "
                "older, shorter ones may follow it"
            )
        return problems

    def _problems_of_prices(self) -> list[str]:
        unknown = sorted(set(self.stripe_prices) - set(self.plans))
        problems = [f"STRIPE_PRICES names a plan {name} that PLANS does not have" for name in unknown]
        unpriced = sorted(plan for plan, price in self.stripe_prices.items() if not price)
        return problems + [f"STRIPE_PRICES gives {plan} no price; write {plan}=price_..." for plan in unpriced]

    def problems_of_credentials(self) -> list[str]:
        found = [INTEGRATIONS[name] for name in sorted(self.configured)]
        lacking = [one for one in found if not any(self._are_set(names) for names in one.credentials)]
        return [f"{one.address.upper()} is set but {_alternatives(one)}" for one in lacking]

    def _are_set(self, names: tuple[str, ...]) -> bool:
        return all(getattr(self, name) for name in names)


def _alternatives(integration: Integration) -> str:
    """Say which credentials are missing, as the end of a sentence."""
    groups = [" and ".join(name.upper() for name in names) for names in integration.credentials]
    return f"{groups[0]} is not" if len(groups) == 1 else f"neither {', nor '.join(groups)}"


def _fingerprint(key: bytes, parts: list[AnyHttpUrl | SecretStr | str | None]) -> str:
    texts = [part.get_secret_value() if isinstance(part, SecretStr) else part and str(part) for part in parts]
    return hmac.new(key, json.dumps(texts).encode(), hashlib.sha256).hexdigest()[:16]
