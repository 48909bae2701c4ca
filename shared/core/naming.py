"""What slugs, domain names and name servers may be. Each rule returns the canonical form or says why not."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

DNS_PORT = 53
#: so that the longest name of a record below it, of a DKIM key as the mail server names it, has 253 characters
LONGEST_DOMAIN = 253 - len("v99-ed25519-20260708._domainkey.")
SLUG = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
#: of plain labels, which IDNA leaves as they are: finding that out by its tables takes a hundred times as long
PLAIN_DOMAIN = re.compile(r"(?=.{1,253}$)(?:(?=[^.]{1,63}\.)[a-z](?:-?[a-z0-9])*\.)+[a-z]{1,63}")

#: names that would collide with hosts or routes of the platform itself
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
    """The slug itself when it may be used. Raises ValueError with the rule it breaks."""
    if not SLUG.fullmatch(text):
        raise ValueError("must be 3 to 32 of a-z, 0-9 and '-', start with a letter and not end with '-'")
    if "--" in text:
        raise ValueError("must not contain '--'")
    if text in RESERVED_SLUGS:
        raise ValueError("is reserved for the platform; choose another")
    return text


def domain_name(text: str) -> str:
    """The domain as lower-case A-labels (RFC 5891, UTS 46). Raises ValueError with the rule it breaks."""
    candidate = text.strip()
    name = candidate if PLAIN_DOMAIN.fullmatch(candidate) else _a_labels(candidate)
    # only now: UTS 46 makes dots of other full stops, and takes away what nobody sees behind one
    if not name or name.endswith("."):
        raise ValueError("must be a domain name without a dot at its end")
    if "." not in name:
        raise ValueError("must have at least one dot")
    if len(name) > LONGEST_DOMAIN:
        raise ValueError(f"must be at most {LONGEST_DOMAIN} characters, so that the names of its DNS records fit 253")
    if name.rsplit(".", 1)[1].isdigit():
        raise ValueError("must not be an IP address")
    if registrable_domain(name) is None:
        raise ValueError("is a public suffix, under which others register names; give a name below it")
    return name


def registrable_domain(name: str) -> str | None:
    """The name that was registered, of which `name` is a part or all; None for a public suffix such as co.uk.

    `name`: in A-labels, lower case.
    """
    found: str | None = _suffixes().privatesuffix(name)
    return found


def overlaps(one: str, other: str) -> bool:
    """Whether the domains are the same or one lies below the other."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


@cache
def _suffixes() -> PublicSuffixList:
    """The public suffix list that comes with the library: nothing is fetched."""
    return PublicSuffixList()


def _a_labels(text: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except idna.IDNAError as problem:
        raise ValueError(f"is not a valid domain name: {problem}") from None


def name_server(text: str) -> tuple[str, int]:
    """(address, port) of `address`, `address:port` or `[v6]:port`. Raises ValueError for anything but an IP address."""
    # the colons of a bare IPv6 address announce no port
    bare = text.count(":") > 1 and not text.startswith("[")
    try:
        parts = urlsplit(f"//[{text}]" if bare else f"//{text}")
        return str(ipaddress.ip_address(parts.hostname or "")), parts.port or DNS_PORT
    except ValueError:
        raise ValueError(f"{text!r} is not a name server; give an IP address, with :port if it is not 53") from None
