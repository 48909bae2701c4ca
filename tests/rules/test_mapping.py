"""Values are built from documents by the types of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import pytest
from bson import ObjectId

from shared.db.mapping import each, mapper, member, nested, plain


class Colour(StrEnum):
    RED = "red"


class Part(NamedTuple):
    name: str
    count: int = 1


@dataclass(frozen=True)
class Place:
    city: str = "Bonn"


@dataclass(frozen=True)
class Thing:
    id: str
    owner_id: str | None
    colour: Colour
    place: Place
    labels: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    size: int = 7


KEY = ObjectId()
read = mapper(Thing)


def test_keys_are_in_camel_case_and_ids_become_text() -> None:
    stored = {"_id": KEY, "ownerId": KEY, "colour": "red", "place": {"city": "Trier"}, "labels": ["a"], "size": 0}
    stored |= {"parts": [{"name": "p", "count": 2}], "said": {"a": ["b"]}, "more": 1}
    thing = Thing(str(KEY), str(KEY), Colour.RED, Place("Trier"), ("a",), (Part("p", 2),), {"a": ("b",)}, 0)
    found = read(stored)
    assert found == thing
    assert isinstance(found.colour, Colour)


@pytest.mark.parametrize("more", [{}, {"ownerId": None, "labels": None, "parts": None, "said": None, "size": None}])
def test_an_absent_or_null_key_gives_the_default(more: dict[str, None]) -> None:
    found = read({"_id": KEY, "colour": "red", "place": {}} | more)
    assert found == Thing(str(KEY), None, Colour.RED, Place())
    assert found.said is not read({"_id": KEY, "colour": "red", "place": {}}).said


def test_a_field_without_a_default_is_required() -> None:
    with pytest.raises(KeyError, match="colour"):
        read({"_id": KEY, "place": {}})
    with pytest.raises(KeyError, match="colour"):
        read({"_id": KEY, "colour": None, "place": {}})


def test_a_value_that_only_a_newer_release_knows_gives_a_member_that_equals_its_text_and_no_other() -> None:
    newer = read({"_id": KEY, "colour": "mauve", "place": {}}).colour
    assert (newer, newer.value, str(newer), isinstance(newer, Colour)) == ("mauve", "mauve", "mauve", True)
    assert newer not in (Colour.RED, *Colour)
    assert newer == member(Colour, "mauve")
    assert newer in {member(Colour, "mauve"): 1}
    assert plain(newer) == "mauve"
    assert member(Colour, "red") is Colour.RED
    assert list(Colour) == [Colour.RED], "the enumeration has not grown"
    with pytest.raises(KeyError):
        read({"_id": KEY, "colour": 7, "place": {}})


def test_a_field_may_have_another_key_or_be_built_from_the_whole_document() -> None:
    part = mapper(Part, name="label")
    flat = mapper(
        Thing, colour="paint", place=mapper(Place), parts=each("list", part), size=lambda row: len(row["list"])
    )
    found = flat({"_id": "t", "paint": "red", "city": "Trier", "list": [{"label": "x"}, {"label": "y", "count": 3}]})
    assert found == Thing("t", None, Colour.RED, Place("Trier"), parts=(Part("x"), Part("y", 3)), size=2)


def test_a_nested_value_may_have_keys_of_its_own() -> None:
    find = nested("at", mapper(Place, city="town"))
    assert (find({"at": {"town": "Trier"}}), find({"at": None}), find({})) == (Place("Trier"), None, None)


def test_a_value_is_stored_under_camel_case_keys() -> None:
    thing = Thing("t", "o", Colour.RED, Place("Trier"), ("a",), said={"a": ("b",)})
    stored = {"id": "t", "ownerId": "o", "colour": "red", "place": {"city": "Trier"}, "labels": ["a"], "parts": []}
    assert plain(thing) == stored | {"said": {"a": ["b"]}, "size": 7}
    assert type(plain(thing)["colour"]) is str


def test_a_source_of_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="Thing has no field \\['price'\\]"):
        mapper(Thing, price="cost")
