"""Check the present, required and refused properties of every type of object in Stalwart against its table.

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
from tests.contracts.real_or_simulator import unique
from tests.contracts.stalwart_properties import TABLES, properties

KINDS = sorted(TABLES)
#: values of required properties
VALUES: dict[str, Callable[[Jmap], Any]] = {
    "domainId": lambda jmap: jmap.domain()[1],
    "selector": lambda jmap: "own",
    "privateKey": lambda jmap: {"@type": "Text", "secret": _pem()},
    "description": lambda jmap: "contract",
    "issuerUrl": lambda jmap: "https://login.platform.test/",
}


def needed(jmap: Jmap, kind: str, variant: str) -> dict[str, Any]:
    """Return a body with just the required properties."""
    body: dict[str, Any] = {"@type": variant} if variant else {}
    for name in properties(kind, variant).required:
        body[name] = VALUES[name](jmap) if name in VALUES else _name(kind)
    return body


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_an_object_of_required_properties_has_the_listed_properties_and_defaults(
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
def test_required_properties_must_be_present(jmap: Jmap, kind: str, variant: str) -> None:
    """Seen of Dkim*: `invalidProperties` "Failed to validate DKIM signature: ... [Property 'secret' is required,
    Property 'selector' is required]"; of all others `validationFailed` with its list.
    """
    body = needed(jmap, kind, variant)
    for missing in properties(kind, variant).required:
        error = jmap.refusal(kind, **{name: value for name, value in body.items() if name != missing})
        if kind == "DkimSignature" and missing in ("selector", "privateKey"):
            assert error["type"] == "invalidProperties"
            assert "is required" in error["description"]
        elif kind != "DkimSignature":
            assert error["type"] == "validationFailed"
            assert {"type": "Required", "property": missing} in error["validationErrors"]


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_server_set_and_unknown_properties_are_refused(jmap: Jmap, kind: str, variant: str) -> None:
    """Seen of an unknown one: `{"type":"invalidPatch","description":"Invalid key for object","properties":[""]}` in a
    create; "Invalid property", ["nothing"] in an update.
    """
    body = needed(jmap, kind, variant)
    for name in properties(kind, variant).server_set:
        error = jmap.refusal(kind, **{**body, name: "x"})
        assert (error["type"], error["properties"]) == ("invalidPatch", [name])
    assert jmap.refusal(kind, **body, id="x")["type"] == "invalidPatch"
    error = jmap.refusal(kind, **body, nothing="x")
    assert (error["type"], error["description"], error["properties"]) == (
        "invalidPatch",
        "Invalid key for object",
        [""],
    )
    error = jmap.change(kind, jmap.create(kind, **body), nothing="x")
    assert (error["type"], error["description"], error["properties"]) == (
        "invalidPatch",
        "Invalid property",
        ["nothing"],
    )


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_nullable_texts_may_not_be_empty_and_objects_may_not_be_arrays(jmap: Jmap, kind: str, variant: str) -> None:
    """Seen of `""`: `{"type":"invalidPatch","description":"Invalid value for property.","properties":["description"]}`;
    for an id it parses as id 0: `invalidForeignKey {Tenant,"a"}`.
    """
    body = needed(jmap, kind, variant)
    for name, default in properties(kind, variant).defaults.items():
        if default is None:
            error = jmap.refusal(kind, **{**body, name: ""})
            if name.endswith("Id"):
                assert (error["type"], error["objectId"]["id"]) == ("invalidForeignKey", "a")
            else:
                assert (error["type"], error["properties"]) == ("invalidPatch", [name])
        if isinstance(default, dict):
            assert jmap.refusal(kind, **{**body, name: ["x"]})["type"] == "invalidPatch"
        if isinstance(default, dict) and "@type" in default:
            assert jmap.refusal(kind, **{**body, name: {}})["type"] == "invalidPatch"


def _name(kind: str) -> str:
    return f"{unique('contract')}.test" if kind == "Domain" else unique("contract")


def _pem() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
