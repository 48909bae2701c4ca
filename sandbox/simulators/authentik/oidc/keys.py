"""Keep the key pairs of Authentik, and sign, encrypt and verify with them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc import jwe, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.records import new_id

SELF_SIGNED = "authentik Self-signed Certificate"
JWE_PARTS = 5
ENCRYPTION = ("RSA-OAEP-256", "A256CBC-HS512")


class KeyPairs:
    """Key pairs by pk, each with its name. A key is generated at first use, because that is slow."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self.names.clear()
        self.add(SELF_SIGNED)

    def add(self, name: str, alg: str = "rsa") -> str:
        pk = new_id()
        self.names[pk] = name
        if alg == "ecdsa":
            self._keys[pk] = ECKey.generate_key("P-256", parameters={"kid": secrets.token_hex(16)}, private=True)
        return pk

    def key(self, pk: str) -> Key:
        # locked, because signing a token and serving the key set may generate the same key at the same time
        with self._lock:
            if pk not in self._keys:
                self._keys[pk] = _first_key(self.names.get(pk, pk))
            return self._keys[pk]

    def replace(self, pk: str) -> Key:
        """Replace a key by a new one."""
        self._keys[pk] = _new_key()
        return self._keys[pk]


class Signer:
    """Sign with the key of a client's provider."""

    def __init__(self, pairs: KeyPairs) -> None:
        self.pairs = pairs

    def key(self, client: OidcClient) -> Key | None:
        """Return the signing key; None without one, when tokens are signed with the client's secret."""
        return None if client.signing_key is None else self.pairs.key(client.signing_key or f"of {client.slug}")

    def algorithm(self, client: OidcClient) -> str:
        key = self.key(client)
        return "HS256" if key is None else "ES256" if isinstance(key, ECKey) else "RS256"

    def public_keys(self, client: OidcClient) -> dict[str, Any]:
        """Return the key set; without a signing key it is an empty object."""
        key = self.key(client)
        if key is None:
            return {}
        return {"keys": [{**key.as_dict(private=False), "alg": self.algorithm(client), "use": "sig"}]}

    def sign(self, client: OidcClient, claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
        key, algorithm = self.key(client), self.algorithm(client)
        named = {"kid": key.kid} if key is not None else {}
        used = key if key is not None else OctKey.import_key(client.client_secret)
        token = jwt.encode({"alg": algorithm, **named, "typ": "JWT", **(headers or {})}, dict(claims), used)
        if client.encryption_key is None:
            return token
        header = {"alg": ENCRYPTION[0], "enc": ENCRYPTION[1], "cty": "JWT"}
        return jwe.encrypt_compact(header, token.encode(), self.pairs.key(client.encryption_key), list(ENCRYPTION))

    def verified(self, client: OidcClient, token: str) -> dict[str, Any] | None:
        """Return the claims of a token that this client's provider signed, expired or not; otherwise None."""
        try:
            if client.encryption_key is not None and token.count(".") == JWE_PARTS - 1:
                opened = jwe.decrypt_compact(token, self.pairs.key(client.encryption_key), list(ENCRYPTION))
                token = (opened.plaintext or b"").decode()
            key = self.key(client) or OctKey.import_key(client.client_secret)
            return dict(jwt.decode(token, key, algorithms=[self.algorithm(client)]).claims)
        except (JoseError, ValueError):
            return None


@cache
def _first_key(name: str) -> RSAKey:
    # shared by all simulators of a process, because generating an RSA key takes 0.1 s of CPU time
    return _new_key()


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": secrets.token_hex(16)}, private=True)
