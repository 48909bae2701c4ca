"""The settings of access tokens: issuers, audiences, algorithms, and the groups that grant rights."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from shared.config.integrations import CommaSeparated, Pairs

Surface = Literal["portal", "partner", "operator"]
SURFACES: tuple[Surface, ...] = ("portal", "partner", "operator")
#: accepted signature algorithms, only asymmetric ones (RFC 7518 3.1, RFC 8037, RFC 8812, RFC 9864)
ALGORITHMS = frozenset("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 ES256K EdDSA Ed25519 Ed448".split())


class Audience(NamedTuple):
    """An accepted `aud`. Without a surface it is valid for all surfaces, without an issuer for all issuers."""

    name: str
    surface: str | None
    issuer: str | None

    @classmethod
    def of(cls, text: str) -> Audience:
        """Parse `audience`, `audience=surface`, `audience@issuer` or `audience=surface@issuer`. Raises ValueError."""
        audience, at, issuer = text.partition("@")
        name, equals, surface = audience.partition("=")
        if not name.strip() or (equals and not surface.strip() and not at) or (at and not issuer.strip()):
            # an audience whose surface is empty by mistake would be valid for all surfaces
            raise ValueError(f"{text} is incomplete; write audience, audience=surface or audience=surface@issuer")
        return cls(name.strip(), surface.strip() or None, issuer.strip() or None)


class TokenSettings(BaseSettings):
    """The part of Settings that is about access tokens."""

    oidc_issuers: Pairs = Field(
        {},
        description="accepted issuers, comma-separated: issuer or issuer=JWKS URL; without any no token is accepted",
    )
    oidc_audiences: Annotated[tuple[Audience, ...], NoDecode] = Field(
        (), description="accepted audiences, comma-separated: audience, then =surface, @issuer, or both in this order"
    )
    oidc_algorithms: CommaSeparated = Field(
        ("RS256", "ES256"), description="accepted signature algorithms, comma-separated"
    )
    oidc_admin_group: str = Field(
        "dezky-platform-admins", description="group in tokens whose members are platform administrators"
    )
    oidc_tenant_group_prefix: str = Field("tenant-", description="prefix of the names of tenants' groups")
    oidc_support_group: str | None = Field(
        None,
        description="group in tokens whose members are platform support; without it administrators assign that role",
    )

    @field_validator("oidc_issuers")
    @classmethod
    def _issuers(cls, given: dict[str, str]) -> dict[str, str]:
        for address in (*given, *filter(None, given.values())):
            require_safe_address(address)
        return given

    @field_validator("oidc_audiences", mode="before")
    @classmethod
    def _audiences(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        return tuple(Audience.of(part.strip()) for part in given.split(",") if part.strip())

    @field_validator("oidc_audiences")
    @classmethod
    def _surfaces(cls, given: tuple[Audience, ...]) -> tuple[Audience, ...]:
        if any("*" in one.name for one in given):
            raise ValueError("* would accept any token; list each application's client id")
        bad = [one.surface for one in given if one.surface and one.surface not in SURFACES]
        if bad:
            raise ValueError(f"unknown surface {', '.join(bad)}; there are {', '.join(SURFACES)}")
        return given

    @field_validator("oidc_algorithms")
    @classmethod
    def _asymmetric(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        bad = [name for name in given if name.lower() == "none" or name.upper().startswith("HS")]
        if bad:
            raise ValueError(f"{', '.join(bad)} is not allowed; use asymmetric algorithms such as RS256")
        unknown = [name for name in given if name not in ALGORITHMS]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is not an algorithm; there are {', '.join(sorted(ALGORITHMS))}")
        if not given:
            raise ValueError("must name at least one")
        return given

    @field_validator("oidc_admin_group", "oidc_tenant_group_prefix", "oidc_support_group")
    @classmethod
    def _named(cls, given: str | None) -> str | None:
        if given is not None and (not given.strip() or "*" in given):
            raise ValueError("must be a name that is not empty and does not contain *")
        return given

    def problems_of_tokens(self) -> list[str]:
        """Return a sentence for each contradictory setting."""
        unknown = {one.issuer for one in self.oidc_audiences if one.issuer and one.issuer not in self.oidc_issuers}
        return [f"OIDC_AUDIENCES names the issuer {one}, which is not in OIDC_ISSUERS" for one in sorted(unknown)]

    @property
    def accepts_tokens(self) -> bool:
        """Return whether an issuer and an audience are configured; without them the API refuses every token."""
        return bool(self.oidc_issuers and self.oidc_audiences)


def require_safe_address(address: str) -> None:
    """Raise ValueError unless the address is https or on this machine, so that nobody can replace keys in transit."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        raise ValueError("contains a malformed address") from None
    if "*" in address or not host or parts.scheme not in ("http", "https"):
        raise ValueError(f"{address} is not an address; write https://host/path/")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(f"{address} must be https; http is allowed only on this machine (localhost, 127.0.0.1)")


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
