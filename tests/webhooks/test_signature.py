"""Signatures: only the secret's owner can verify our events, and forged, changed or replayed ones are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.signatures import HEADER, BadSignature, new_secret, signed_headers, verify
from worker.jobs.webhook_delivery.attempt import RETRY_DELAYS, wait_after

NOW = 1_800_000_000
BODY = b'{"type":"tenant.active"}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = new_secret()


def test_an_event_is_verified_with_its_secret_whatever_case_the_headers_have() -> None:
    headers = signed_headers([SECRET], "evt_1", NOW, BODY)
    verify([SECRET], headers, BODY, now=NOW + 10)
    verify([SECRET], {name.upper(): value for name, value in headers.items()}, BODY, now=NOW - 10)


def test_the_standard_signature_is_the_one_of_the_standards_own_example() -> None:
    body = b'{"test": 2432232314}'
    headers = signed_headers([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330")


def test_while_secrets_are_changed_both_sign_and_either_verifies() -> None:
    headers = signed_headers([OTHER, SECRET], "evt_1", NOW, BODY)
    assert (headers[HEADER].count("v1="), headers["webhook-signature"].count("v1,")) == (2, 2)
    for known in ([OTHER], [SECRET], ["whsec_unknown", SECRET]):
        verify(known, headers, BODY, now=NOW)


@pytest.mark.parametrize(
    ("secrets", "body", "now"),
    [
        ([OTHER], BODY, NOW),
        ([], BODY, NOW),
        ([SECRET], BODY + b" ", NOW),
        ([SECRET], BODY, NOW + 301),
        ([SECRET], BODY, NOW - 301),
    ],
)
def test_another_secret_another_body_or_another_time_is_refused(secrets: list[str], body: bytes, now: int) -> None:
    with pytest.raises(BadSignature):
        verify(secrets, signed_headers([SECRET], "evt_1", NOW, BODY), body, now=now)


def test_the_time_cannot_be_changed_to_replay_an_event() -> None:
    headers = signed_headers([SECRET], "evt_1", NOW, BODY)
    moved = headers[HEADER].replace(str(NOW), str(NOW + 1000))
    with pytest.raises(BadSignature, match="matches"):
        verify([SECRET], {HEADER: moved}, BODY, now=NOW + 1000)


@pytest.mark.parametrize(
    "text",
    ["", "t=", "t=1,v1=", "v1=ab", "t=x,v1=ab", "t=1,t=1,v1=ab", "t=-1,v1=a", "t=٣,v1=a", f"t={'9' * 5000},v1=ä", "="],
)
def test_a_header_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        verify([SECRET], {HEADER: text}, BODY, now=1)


def test_an_event_without_the_header_is_refused() -> None:
    with pytest.raises(BadSignature, match="no signature header"):
        verify([SECRET], {}, BODY, now=NOW)


@given(st.text())
def test_any_other_header_is_refused_as_a_bad_signature(text: str) -> None:
    with pytest.raises(BadSignature):
        verify([SECRET], {HEADER: text}, BODY, now=NOW)


@pytest.mark.parametrize("secret", ["plain", "whsec_not base64!"])
def test_a_secret_of_another_kind_signs_nothing(secret: str) -> None:
    with pytest.raises(ValueError):
        signed_headers([secret], "evt_1", NOW, BODY)


def test_every_new_secret_is_another() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(secret) == len("whsec_") + 44 for secret in made)


def test_waits_grow_from_seconds_to_a_day_and_then_end() -> None:
    waits = [wait_after(attempts, 0.0) for attempts in range(1, len(RETRY_DELAYS) + 1)]
    assert waits == list(RETRY_DELAYS) == sorted(RETRY_DELAYS)
    assert wait_after(len(RETRY_DELAYS) + 1, 0.0) is None
    assert wait_after(len(RETRY_DELAYS) + 6, 0.0, asked=10.0) is None


@given(st.integers(1, len(RETRY_DELAYS)), st.floats(0, 1, exclude_max=True))
def test_chance_lengthens_a_wait_by_a_fifth_at_most(attempts: int, chance: float) -> None:
    wait = wait_after(attempts, chance)
    assert wait is not None
    assert RETRY_DELAYS[attempts - 1] <= wait <= RETRY_DELAYS[attempts - 1] * 1.2


def test_a_receiver_can_ask_for_a_longer_wait_but_not_for_ever_and_not_for_a_shorter_one() -> None:
    assert wait_after(1, 0.0, asked=60.0) == 60.0
    assert wait_after(3, 0.0, asked=1.0) == 1800.0
    assert wait_after(1, 0.0, asked=1e9) == 86400.0
