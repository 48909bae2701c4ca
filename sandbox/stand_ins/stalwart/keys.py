"""DKIM keys and the zone text that publishes them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Object = dict[str, Any]
ALGORITHMS = {"Dkim1Ed25519Sha256": "ed25519", "Dkim1RsaSha256": "rsa"}


@lru_cache(maxsize=4)
def _rsa_public(slot: int) -> str:
    # making an RSA key costs a fifth of a second of processor time, so a few serve all domains of one process
    der = (
        rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(der).decode()


def new_signature(algorithm: str, domain: Object, slot: int) -> Object:
    """The object of a new active key, as the server's background task makes it."""
    if algorithm == "Dkim1RsaSha256":
        public = _rsa_public(slot % 2)
    else:
        raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        public = base64.b64encode(raw).decode()
    return {
        "@type": algorithm,
        "domainId": domain["id"],
        "selector": f"v1-{ALGORITHMS[algorithm]}-{datetime.now(UTC):%Y%m%d}",
        "privateKey": {"@type": "Text", "secret": "****"},
        "memberTenantId": domain["memberTenantId"],
        "publicKey": public,
    }


def zone_file(domain: Object, signatures: list[Object], mail_host: str) -> str:
    """BIND text: absolute names, no $TTL, long TXT cut at 255 bytes in parentheses; DKIM keys first."""
    name = domain["name"]
    lines = [_dkim_line(name, signature) for signature in signatures]
    lines += [
        f'{name}. IN TXT "v=spf1 mx -all"',
        f"{name}. IN MX 10 {mail_host}.",
        f'_dmarc.{name}. IN TXT "v=DMARC1; p=reject; rua=mailto:postmaster@{name}"',
        f"_imaps._tcp.{name}. IN SRV 0 1 993 {mail_host}.",
        f"_jmap._tcp.{name}. IN SRV 0 1 443 {mail_host}.",
        f"_submissions._tcp.{name}. IN SRV 0 1 465 {mail_host}.",
        f"mta-sts.{name}. IN CNAME {mail_host}.",
        f'_mta-sts.{name}. IN TXT "v=STSv1; id=7286518372"',
        f'_smtp._tls.{name}. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@{name}"',
        f"autoconfig.{name}. IN CNAME {mail_host}.",
        f"autodiscover.{name}. IN CNAME {mail_host}.",
    ]
    return "\n".join(lines) + "\n"


def _dkim_line(name: str, signature: Object) -> str:
    kind = ALGORITHMS.get(signature["@type"], "rsa")
    text = f"v=DKIM1; k={kind}; h=sha256; p={signature.get('publicKey', '')}"
    head = f"{signature['selector']}._domainkey.{name}. IN TXT "
    if len(text) <= 255:
        return f'{head}"{text}"'
    chunks = [text[start : start + 255] for start in range(0, len(text), 255)]
    return head + "(\n" + "\n".join(f'    "{chunk}"' for chunk in chunks) + "\n)"
