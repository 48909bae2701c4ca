"""What makes a Stalwart object right or wrong beyond its shape: names, passwords, keys, secrets. Raises SetError."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from sandbox.simulators.stalwart.names import canonical_domain, local_part
from sandbox.simulators.stalwart.patching import copy
from sandbox.simulators.stalwart.properties import Object, SetError, invalid_patch

MASK = "****"
_HASH = re.compile(r"^(\$\w+\$|\{\w+\})")
_CREDENTIAL = {"@type", "secret", "expiresAt", "otpAuth", "allowedIps"}
_ALIAS = {"name", "domainId", "enabled", "description"}
#: stands in for the real estimate of a password's strength
DISTINCT = 5


def tidy(kind: str, one: Object, before: Object | None) -> None:
    """Bring the object into the form it is stored in; `before`: what it was, for an update."""
    if kind == "Domain":
        one["name"] = canonical_domain(one["name"])
        one["aliases"] = {canonical_domain(alias): True for alias in one["aliases"]}
    if kind in ("Account", "MailingList"):
        one["name"] = local_part(one["name"])
        one["aliases"] = {key: _alias(alias, one["domainId"]) for key, alias in one["aliases"].items()}
    if one.get("credentials"):
        _tidy_credentials(one["credentials"], (before or {}).get("credentials") or {})
    if kind == "DkimSignature" and (before is None or before["privateKey"] != one["privateKey"]):
        one["publicKey"] = _public_key(one)


def masked(one: Object) -> Object:
    """The object as it may be shown."""
    shown: Object = copy(one)
    for place in (shown.get("privateKey"), shown, *(shown.get("credentials") or {}).values()):
        if isinstance(place, dict) and place.get("secret") is not None:
            place["secret"] = MASK
    return shown


def _alias(alias: Object, domain_id: str) -> Object:
    if not set(alias) <= _ALIAS:
        raise invalid_patch("Unknown property", "aliases")
    whole = {"domainId": domain_id, "enabled": True, "description": None, **alias}
    return whole | {"name": local_part(alias.get("name", ""))}


def _tidy_credentials(credentials: Object, before: Object) -> None:
    if len(credentials) > 1:
        raise invalid_patch("Only one password is allowed", "credentials")
    for key, credential in credentials.items():
        if credential.get("@type") != "Password" or not set(credential) <= _CREDENTIAL:
            raise invalid_patch("Missing or invalid '@type' property in object", "credentials")
        if credential.get("secret") == MASK and key in before:
            credential["secret"] = before[key]["secret"]
        _check_password(credential.get("secret"))


def _check_password(secret: Any) -> None:
    """A ready hash is taken as it is."""
    if isinstance(secret, str) and (_HASH.match(secret) or (8 <= len(secret) <= 128 and len(set(secret)) >= DISTINCT)):
        return
    raise SetError("invalidProperties", description="Password is too weak.", properties=["secret"])


def _public_key(signature: Object) -> str | None:
    """The public half of a key given as text."""
    if signature["privateKey"]["@type"] != "Text":
        return None
    public = public_half(signature["@type"], str(signature["privateKey"].get("secret")))
    if public is None:
        reason = "Failed to validate DKIM signature: the key cannot be read."
        raise SetError("invalidProperties", description=reason, properties=["privateKey"])
    return public


@lru_cache(maxsize=64)
def public_half(algorithm: str, pem: str) -> str | None:
    """In base 64; None when the text is no key of this algorithm. Checking an RSA key is slow, so it is remembered."""
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
