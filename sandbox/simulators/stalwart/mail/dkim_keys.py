"""Create DKIM keys like Stalwart's background task, and the zone text that publishes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.simulators.stalwart.objects.properties import Object

_PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
#: services that have an SRV record, with their ports
SERVICES = {"caldavs": 443, "carddavs": 443, "imaps": 993, "jmap": 443, "pop3s": 995, "submissions": 465}


@lru_cache(maxsize=4)
def _rsa_pem(slot: int) -> str:
    # generating an RSA key takes 0.2 s of CPU time, so all domains of a process share a few
    return rsa.generate_private_key(65537, 2048).private_bytes(*_PEM).decode()


def new_signature(algorithm: str, domain: Object, slot: int) -> Object:
    """Return a new active key; it never rotates, because its domain's records are published by hand."""
    is_rsa = _kind(algorithm) == "rsa"
    pem = _rsa_pem(slot % 2) if is_rsa else ed25519.Ed25519PrivateKey.generate().private_bytes(*_PEM).decode()
    return {
        "@type": algorithm,
        "domainId": domain["id"],
        "selector": _selector(domain["dkimManagement"]["selectorTemplate"], _kind(algorithm)),
        "privateKey": {"@type": "Text", "secret": pem},
        "memberTenantId": domain["memberTenantId"],
    }


def zone_file(domain: Object, signatures: list[Object], mail_host: str) -> str:
    """Return BIND text: absolute names, no $TTL, long TXT split at 255 bytes in parentheses, all keys first."""
    name = domain["name"]
    lines = [_dkim_line(name, signature) for signature in signatures]
    lines += [
        f'{name}. IN TXT "v=spf1 mx -all"',
        f"{name}. IN MX 10 {mail_host}.",
        f'_dmarc.{name}. IN TXT "v=DMARC1; p=reject; rua=mailto:postmaster@{name}"',
        *(f"_{service}._tcp.{name}. IN SRV 0 1 {port} {mail_host}." for service, port in SERVICES.items()),
        f"mta-sts.{name}. IN CNAME {mail_host}.",
        f'_mta-sts.{name}. IN TXT "v=STSv1; id=7286518372"',
        f'_smtp._tls.{name}. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@{name}"',
        f"ua-auto-config.{name}. IN CNAME {mail_host}.",
        f'_ua-auto-config.{name}. IN TXT "v=UAAC1; a=sha256; d=3q2+7w"',
        f"autoconfig.{name}. IN CNAME {mail_host}.",
        f"autodiscover.{name}. IN CNAME {mail_host}.",
    ]
    return "\n".join(lines) + "\n"


def _kind(algorithm: str) -> str:
    return "ed25519" if "Ed25519" in algorithm else "rsa"


def _selector(template: str, algorithm: str) -> str:
    text = template.replace("{version}", "1").replace("{algorithm}", algorithm)
    return re.sub(r"\{date-([^}]*)\}", lambda found: datetime.now(UTC).strftime(found[1]), text)


def _dkim_line(name: str, signature: Object) -> str:
    kind = _kind(signature["@type"])
    text = f"v=DKIM1; k={kind}; h=sha256; p={signature.get('publicKey') or ''}"
    head = f"{signature['selector']}._domainkey.{name}. IN TXT "
    if len(text) <= 255:
        return f'{head}"{text}"'
    chunks = [text[start : start + 255] for start in range(0, len(text), 255)]
    return head + "(\n" + "\n".join(f'    "{chunk}"' for chunk in chunks) + "\n)"
