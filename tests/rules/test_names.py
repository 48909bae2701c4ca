"""Valid and invalid slugs and domains."""

from __future__ import annotations

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.naming import PLAIN_DOMAIN, RESERVED_SLUGS, SLUG, domain_name, slug
from shared.integrations.ownership_marker import MarkerSigner


@pytest.mark.parametrize("text", ["acme", "a1b", "acme-2", "x" * 32])
def test_a_good_slug_is_returned_as_it_is(text: str) -> None:
    assert slug(text) == text


@pytest.mark.parametrize(
    "text", ["", "ab", "1acme", "acme-", "-acme", "Acme", "ac me", "acmé", "a" * 33, "acme\n", "ac--me", "xn--abc"]
)
def test_a_slug_outside_the_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        slug(text)


@pytest.mark.parametrize("text", ["www", "api", "admin", "mail", "auth", "static"])
def test_a_reserved_slug_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        slug(text)


def test_every_reserved_slug_is_in_the_lists_own_spelling() -> None:
    assert all(name == name.lower() and name.strip() for name in RESERVED_SLUGS)


@pytest.mark.parametrize(
    ("given_text", "canonical"),
    [("Acme.Test", "acme.test"), ("bücher.example.com", "xn--bcher-kva.example.com"), (" acme.test ", "acme.test")],
)
def test_a_domain_becomes_lower_case_a_labels(given_text: str, canonical: str) -> None:
    assert domain_name(given_text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("", "acme", "acme.test.", ".acme.test", "ac me.test", "-a.test", "a..b", "192.168.0.1", "a_b.test"),
        *("x" * 64 + ".t", ".".join(["abcdefgh"] * 30), "*.acme.test", "acme.test/x", "a@b.test", "xn--zzzzzz-.test"),
    ],
)
def test_an_invalid_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|not a valid"):
        domain_name(text)


@pytest.mark.parametrize("end", ["\u3002", "\uff0e", "\uff61", ".\u200b", ".\u00ad"])
def test_trailing_dots_of_any_script_and_invisible_characters_make_no_second_name(end: str) -> None:
    with pytest.raises(ValueError, match="without a dot at its end"):
        domain_name(f"acme.test{end}")


@given(st.text(max_size=80))
def test_any_text_gives_a_canonical_domain_or_an_error_message(text: str) -> None:
    try:
        name = domain_name(text)
    except ValueError as refusal:
        assert str(refusal)
    else:
        assert domain_name(name) == name
        assert name.isascii()


@given(st.lists(st.text("abxyz019-", min_size=1, max_size=12), min_size=1, max_size=4).map(".".join))
def test_a_plain_name_is_one_that_idna_leaves_as_it_is(text: str) -> None:
    if PLAIN_DOMAIN.fullmatch(text):
        assert idna.encode(text, uts46=True, std3_rules=True).decode("ascii") == domain_name(text) == text


@pytest.mark.parametrize("text", ["a" * 64 + ".test", f"{'a.' * 126}test", "ab--c.test", "a-.test", "acme.test\n"])
def test_a_name_that_breaks_a_rule_does_not_match_the_pattern(text: str) -> None:
    assert not PLAIN_DOMAIN.fullmatch(text)


@given(st.text(max_size=40))
def test_any_text_gives_a_valid_slug_or_an_error_message(text: str) -> None:
    try:
        assert SLUG.fullmatch(slug(text))
    except ValueError as refusal:
        assert str(refusal)


TENANT, OTHER = "6b058a725d1747cfeba27b12", "6b058a725d1747cfeba27b13"


@pytest.mark.parametrize("text", ["Files of Acme. {}", "{} and more", "a {} b\n", "{0}{0}", "{}\u2028"])
def test_a_marker_proves_the_tenant_anywhere_in_a_description(text: str) -> None:
    signer = MarkerSigner("ocis", ("key",))
    written = text.format(signer.text(TENANT))
    assert signer.tenant_id(written) == TENANT
    assert signer.marked(TENANT, written) == written


def test_valid_markers_of_two_tenants_prove_nothing_and_both_are_known() -> None:
    signer = MarkerSigner("ocis", ("key",))
    both = signer.text(TENANT) + signer.text(OTHER)
    assert signer.tenant_id(both) is None
    assert not signer.belongs_to_another(TENANT, both)
    assert signer.belongs_to_another(TENANT, signer.text(OTHER))
    assert not signer.belongs_to_another(TENANT, "nothing")


@given(st.text(max_size=60))
def test_a_marker_is_added_once_to_any_text_and_the_text_stays(text: str) -> None:
    signer = MarkerSigner("ocis", ("key",))
    once = signer.marked(TENANT, text)
    assert once.startswith(text.strip())
    assert signer.tenant_id(once) == TENANT
    assert signer.marked(TENANT, once) == once


def test_a_marker_of_another_product_key_or_tenant_proves_nothing() -> None:
    signer = MarkerSigner("ocis", ("key",))
    good = signer.text(TENANT)
    for forged in (
        None,
        "",
        MarkerSigner("stalwart", ("key",)).text(TENANT),
        MarkerSigner("ocis", ("guess",)).text(TENANT),
        good.replace(TENANT, OTHER),
    ):
        assert signer.tenant_id(forged) is None


def test_a_marker_of_an_older_key_is_valid_and_the_first_key_signs() -> None:
    old, both = MarkerSigner("ocis", ("old",)), MarkerSigner("ocis", ("new", "old"))
    assert both.tenant_id(old.text(TENANT)) == TENANT
    assert old.tenant_id(both.text(TENANT)) is None
