"""Responses that match a document's example, and responses that do not."""

from __future__ import annotations

import pytest

from tests.docs.examples import read
from tests.docs.response_comparison import ResponseComparison

SHOWN = '{"_id": "6b07702fc5f2455994dd194d", "at": "2026-11-25T23:33:05.119000Z", "n": [1, "v=DKIM1; p=…"], "on": true}'


@pytest.mark.parametrize(
    "given",
    [
        '{"_id": "0123456789abcdef01234567", "at": "2030-01-01T00:00:00Z", "n": [1, "v=DKIM1; p=MII"], "on": true}',
        '{"x":1, "_id": "0123456789abcdef01234567", "at": "2030-01-01T00:00:00Z", "n": [1, "v=DKIM1; p="], "on": true}',
    ],
)
def test_ids_times_and_omitted_parts_may_differ(given: str) -> None:
    assert list(ResponseComparison().of_json(SHOWN, given)) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (('"6b07702fc5f2455994dd194d"', '"acme"'), "/_id"),
        (('"2026-11-25T23:33:05.119000Z"', '"soon"'), "/at"),
        (("[1,", "[2,"), "/n/0"),
        (("[1,", "[true,"), "/n/0"),
        (("[1,", "[1, 1,"), "/n"),
        (("v=DKIM1", "v=spf1"), "/n/1"),
        ((', "on": true', ""), "/on"),
        (("true", "1"), "/on"),
    ],
)
def test_anything_else_is_a_difference_with_its_place(change: tuple[str, str], place: str) -> None:
    found = list(ResponseComparison().of_json(SHOWN, SHOWN.replace(*change)))
    assert [difference.partition(":")[0] for difference in found] == [place]


def test_one_id_in_the_document_is_one_id_in_the_answers() -> None:
    comparison = ResponseComparison()
    shown, other = f'"{"a" * 24}"', f'"{"b" * 24}"'
    assert list(comparison.of_json(shown, other)) == []
    assert list(comparison.of_json(shown, other)) == []
    assert len(list(comparison.of_json(shown, shown))) == 1


def test_status_headers_and_body_of_a_whole_answer_are_compared() -> None:
    given = 'HTTP/1.1 201 Created\r\nlocation: /tenants/acme\r\ndate: today\r\n\r\n{"slug": "acme"}'
    shown = 'HTTP/1.1 201 Created\nLocation: /tenants/acme\n\n{"slug": "acme"}\n'
    assert list(ResponseComparison().of_http(shown, given)) == []
    for old, new in (("201 Created", "202 Accepted"), ("/acme", "/beta"), ("Location", "Link"), ('"acme"', '"beta"')):
        assert len(list(ResponseComparison().of_http(shown.replace(old, new), given))) == 1, new
    assert len(list(ResponseComparison().of_http(shown.partition("\n\n")[0], given))) == 1


@pytest.mark.parametrize("document", ["```json\n{}\n```\n", "```\ncurl $API\n```\n", "```bash\ncurl $API\n```\n"])
def test_an_orphaned_response_and_a_command_that_never_runs_are_reported(document: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read(document)
