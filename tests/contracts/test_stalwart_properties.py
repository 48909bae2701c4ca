"""What every type of object in Stalwart has, needs and refuses, by the tables that are written down for it.

Against a real server (0.16, not in recovery mode): set STALWART_TEST_URL and STALWART_TEST_TOKEN, or
STALWART_TEST_USERNAME and STALWART_TEST_PASSWORD, of a system administrator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.contracts.jmap_calls import Jmap
from tests.contracts.real_or_stand_in import unique
from tests.contracts.stalwart_properties import TABLES, properties

KINDS = sorted(TABLES)
#: what is required but is not worth a table of its own
VALUES: dict[str, Callable[[Jmap], Any]] = {
    "domainId": lambda jmap: jmap.domain()[1],
    "selector": lambda jmap: "own",
    "privateKey": lambda jmap: {"@type": "Text", "secret": _pem()},
    "description": lambda jmap: "contract",
    "issuerUrl": lambda jmap: "https://login.platform.test/",
}


def needed(jmap: Jmap, kind: str, variant: str) -> dict[str, Any]:
    """A body with just what is required."""
    body: dict[str, Any] = {"@type": variant} if variant else {}
    for name in properties(kind, variant).required:
        body[name] = VALUES[name](jmap) if name in VALUES else _name(kind)
    return body


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_an_object_of_what_is_required_has_just_the_properties_and_defaults_written_down(
    jmap: Jmap, kind: str, variant: str
) -> None:
    known = properties(kind, variant)
    body = needed(jmap, kind, variant)
    shown = jmap.get(kind, jmap.create(kind, **body))
    assert set(shown) - {"id", "@type"} == known.required | known.server_set | set(known.defaults)
    assert {name: shown[name] for name in known.defaults} == known.defaults
    assert {name: shown[name] for name in known.required - {"privateKey"}} == {
        name: value for name, value in body.items() if name not in ("@type", "privateKey")
    }


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_what_is_required_must_be_there(jmap: Jmap, kind: str, variant: str) -> None:
    body = needed(jmap, kind, variant)
    for missing in properties(kind, variant).required:
        error = jmap.refusal(kind, **{name: value for name, value in body.items() if name != missing})
        assert error["type"] == "validationFailed"
        assert {"type": "Required", "property": missing} in error["validationErrors"]


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_nobody_sets_what_the_server_sets_nor_what_is_not_there(jmap: Jmap, kind: str, variant: str) -> None:
    body = needed(jmap, kind, variant)
    for name in (*properties(kind, variant).server_set, "id", "nothing"):
        error = jmap.refusal(kind, **{**body, name: "x"})
        assert (error["type"], error["properties"]) == ("invalidPatch", [name])


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_texts_that_may_be_null_may_not_be_empty_and_objects_may_not_be_arrays(
    jmap: Jmap, kind: str, variant: str
) -> None:
    body = needed(jmap, kind, variant)
    for name, default in properties(kind, variant).defaults.items():
        if default is None:
            assert jmap.refusal(kind, **{**body, name: ""})["type"] == "validationFailed"
        if isinstance(default, dict):
            assert jmap.refusal(kind, **{**body, name: ["x"]})["type"] == "invalidPatch"
        if isinstance(default, dict) and "@type" in default:
            assert jmap.refusal(kind, **{**body, name: {}})["type"] == "invalidPatch"


def _name(kind: str) -> str:
    return f"{unique('contract')}.test" if kind == "Domain" else unique("contract")


def _pem() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
