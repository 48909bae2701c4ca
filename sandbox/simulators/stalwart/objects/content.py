"""Check the values of a Stalwart object: names, passwords, keys, secrets. Raises SetError."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from sandbox.simulators.stalwart.objects.names import canonical_domain, local_part
from sandbox.simulators.stalwart.objects.patching import MASK, copy
from sandbox.simulators.stalwart.objects.properties import Object, SetError, invalid_patch

_HASH = re.compile(r"^(\$\w+\$|\{\w+\})")
_CREDENTIAL = {"@type", "secret", "expiresAt", "otpAuth", "allowedIps", "credentialId"}
_ALIAS = {"name", "domainId", "enabled", "description"}
#: distinct characters that a password needs; stands for Stalwart's estimate of its strength
DISTINCT = 5


def tidy(kind: str, one: Object, before: Object | None) -> None:
    """Convert the object to its stored form. `before`: the object before an update."""
    if kind == "Domain":
        one["name"] = canonical_domain(one["name"])
        one["aliases"] = {canonical_domain(alias): True for alias in one["aliases"]}
    if kind in ("Account", "MailingList"):
        one["name"] = local_part(one["name"])
        one["aliases"] = {key: _alias(alias, one["domainId"]) for key, alias in one["aliases"].items()}
    if one.get("credentials"):
        _tidy_credentials(one["credentials"])
    if kind == "DkimSignature" and (before is None or before["privateKey"] != one["privateKey"]):
        one["publicKey"] = _public_key(one)


def masked(one: Object) -> Object:
    """Copy the object with its secrets masked."""
    shown: Object = copy(one)
    for place in (shown.get("privateKey"), shown, *(shown.get("credentials") or {}).values()):
        if isinstance(place, dict) and place.get("secret") is not None:
            place["secret"] = MASK
    return shown


def _alias(alias: Object, domain_id: str) -> Object:
    if not set(alias) <= _ALIAS:
        raise invalid_patch("Invalid property", "aliases")
    whole = {"domainId": domain_id, "enabled": True, "description": None, **alias}
    return whole | {"name": local_part(alias.get("name", ""))}


def _tidy_credentials(credentials: Object) -> None:
    if len(credentials) > 1:
        raise invalid_patch("Only one password is allowed", "credentials")
    for credential in credentials.values():
        if credential.get("@type") != "Password" or not set(credential) <= _CREDENTIAL:
            raise invalid_patch("Missing or invalid '@type' property in object", "credentials")
        _check_password(credential.get("secret"))
        credential.setdefault("credentialId", "b")


def _check_password(secret: Any) -> None:
    """Accept a strong password, and any hash."""
    if isinstance(secret, str) and len(secret) < 8:
        reason = "Password must be at least 8 characters long."
        raise SetError("invalidProperties", description=reason, properties=["secret"])
    if isinstance(secret, str) and (_HASH.match(secret) or (8 <= len(secret) <= 128 and len(set(secret)) >= DISTINCT)):
        return
    raise SetError("invalidProperties", description="Password is too weak.", properties=["secret"])


def _public_key(signature: Object) -> str | None:
    """Return the public half of a key that was given as text."""
    if signature["privateKey"]["@type"] != "Text":
        return None
    public = public_half(signature["@type"], str(signature["privateKey"].get("secret")))
    if public is None:
        reason = "Failed to validate DKIM signature: the key cannot be read."
        raise SetError("invalidProperties", description=reason, properties=["privateKey"])
    return public


@lru_cache(maxsize=64)
def public_half(algorithm: str, pem: str) -> str | None:
    """Return the public key in base 64, or None for an invalid key. Cached, because checking an RSA key is slow."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        return None
    if "Ed25519" in algorithm and isinstance(key, ed25519.Ed25519PrivateKey):
        return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    if "Rsa" in algorithm and isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(public).decode()
    return None
