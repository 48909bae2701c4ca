"""Rules for slugs, domain names and name servers. Each returns the canonical form or raises ValueError."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

DNS_PORT = 53
#: leaves room for the longest record name below a domain, that of a DKIM key, within DNS's 253 characters
MAX_DOMAIN_LENGTH = 253 - len("v99-ed25519-20260708._domainkey.")
SLUG = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
#: a domain of ASCII labels, which IDNA does not change; this match is a hundred times faster than IDNA's tables
PLAIN_DOMAIN = re.compile(r"(?=.{1,253}$)(?:(?=[^.]{1,63}\.)[a-z](?:-?[a-z0-9])*\.)+[a-z]{1,63}")

#: names that would collide with hosts or routes of the platform
RESERVED_SLUGS = frozenset(
    """
    about abuse account accounts admin administrator api app apps assets auth authentik autoconfig autodiscover
    billing blog calendar cdn chat check cloud console contact dashboard default demo dev dns docs download drive email
    files flower ftp health help host hostmaster id imap info internal jmap legal live login logout mail mailer
    manage me metrics mta-sts mx new news noc ns ns1 ns2 null ocis office oidc oauth openapi operations operator
    ops partner partners pay payment platform pop pop3 portal postmaster prod production proxy public register root
    security server shop signin signup smtp sso staff staging stalwart static status stripe subscriptions support
    sysadmin system team tenant tenants test traefik undefined users web webdav webmail webmaster wiki www
    """.split()
)


def slug(text: str) -> str:
    """Return the slug if it is valid. Raises ValueError with the rule that it breaks."""
    if not SLUG.fullmatch(text):
        raise ValueError("must be 3 to 32 of a-z, 0-9 and '-', start with a letter and not end with '-'")
    if "--" in text:
        raise ValueError("must not contain '--'")
    if text in RESERVED_SLUGS:
        raise ValueError("is reserved for the platform; choose another")
    return text


def domain_name(text: str) -> str:
    """Return the domain as lower-case A-labels (RFC 5891, UTS 46). Raises ValueError with the rule that it breaks."""
    candidate = text.strip()
    name = candidate if PLAIN_DOMAIN.fullmatch(candidate) else _a_labels(candidate)
    # checked after the conversion: UTS 46 turns other full stops into dots and removes invisible characters
    if not name or name.endswith("."):
        raise ValueError("must be a domain name without a dot at its end")
    if "." not in name:
        raise ValueError("must have at least one dot")
    if len(name) > MAX_DOMAIN_LENGTH:
        raise ValueError(
            f"must be at most {MAX_DOMAIN_LENGTH} characters, so that the names of its DNS records fit 253"
        )
    if name.rsplit(".", 1)[1].isdigit():
        raise ValueError("must not be an IP address")
    if registrable_domain(name) is None:
        raise ValueError("is a public suffix, under which anybody registers names; give a name below it")
    return name


def registrable_domain(name: str) -> str | None:
    """Return the registered domain that `name` belongs to; None for a public suffix such as co.uk.

    `name`: lower-case A-labels.
    """
    found: str | None = _suffixes().privatesuffix(name)
    return found


def family(name: str) -> str:
    """Return a name that all parents and subdomains of `name` have in common.

    Suffixes that companies give to customers, such as s3.amazonaws.com, do not count: amazonaws.com is the parent.
    """
    found: str | None = _registries_suffixes().privatesuffix(name)
    return found or name


def overlaps(one: str, other: str) -> bool:
    """Return whether the domains are equal or one is a subdomain of the other."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


@cache
def _suffixes() -> PublicSuffixList:
    """Return the public suffix list that is part of the library, so that nothing is downloaded."""
    return PublicSuffixList()


@cache
def _registries_suffixes() -> PublicSuffixList:
    """Return the suffixes of the registries alone."""
    return PublicSuffixList(only_icann=True)


def _a_labels(text: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except idna.IDNAError as problem:
        raise ValueError(f"is not a valid domain name: {problem}") from None


def name_server(text: str) -> tuple[str, int]:
    """Parse `address`, `address:port` or `[v6]:port` into (address, port). Raises ValueError for a host name."""
    # the colons of a bare IPv6 address do not separate a port
    bare = text.count(":") > 1 and not text.startswith("[")
    try:
        parts = urlsplit(f"//[{text}]" if bare else f"//{text}")
        return str(ipaddress.ip_address(parts.hostname or "")), parts.port or DNS_PORT
    except ValueError:
        raise ValueError(f"{text!r} is not a name server; give an IP address, with :port if it is not 53") from None
