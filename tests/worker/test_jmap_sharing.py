"""Check that waiting calls share the next request, and that each gets its own answer and no other's fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import Fault, PermanentError, Result, TemporaryError
from tests.simulators import API_TOKEN, TENANT_ID, MakeStep, fault
from tests.waiting import until
from worker.http.deadline import within
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.protocol.batching import Call, SharedRequests
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.step_context import StepContext

Request = list[list[Any]]


class Line:
    """A server that takes one request at a time and answers on command: each call with its own argument."""

    def __init__(self, max_calls: int = 4) -> None:
        self.requests: list[Request] = []
        self.faults: dict[int, BaseException] = {}
        self._may_answer = threading.Semaphore(0)
        self._threads = ThreadPoolExecutor(16)
        self.sharing = SharedRequests(self._send, in_flight=1, max_calls=max_calls, call_seconds=5.0)

    def _send(self, invocations: Request, repeatable: bool) -> list[Any]:
        self.requests.append(invocations)
        number = len(self.requests)
        assert self._may_answer.acquire(timeout=10)
        if number in self.faults:
            raise self.faults[number]
        return [[name, arguments, id_] for name, arguments, id_ in invocations]

    def ask(
        self,
        *texts: str,
        repeatable: bool = True,
        shareable: bool = True,
        seconds: float = 60.0,
    ) -> Future[list[Any]]:
        """Start a call with each text on a separate thread; return when it waits or is sent."""
        calls: list[Call] = [("x:Domain/get", {"text": text}) for text in texts]

        def asked() -> list[Any]:
            with within(seconds):
                return self.sharing.responses(calls, repeatable=repeatable, shareable=shareable)

        before = self._known()
        future = self._threads.submit(asked)
        until(lambda: self._known() > before)
        return future

    def _known(self) -> int:
        return len(self.sharing._waiting) + sum(len(request) for request in self.requests)

    def answer(self, times: int = 1) -> None:
        self._may_answer.release(times)

    def texts(self) -> list[list[str]]:
        return [[arguments["text"] for _, arguments, _ in request] for request in self.requests]

    def close(self) -> None:
        self._may_answer.release(100)
        self._threads.shutdown()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def results(future: Future[list[Any]]) -> list[str]:
    return [response[1]["text"] for response in future.result(timeout=10)]


def test_waiting_calls_share_a_request_and_each_gets_its_own_results(line: Line) -> None:
    asked = [line.ask("a"), line.ask("b", "c"), line.ask("d")]
    line.answer(2)
    assert [results(one) for one in asked] == [["a"], ["b", "c"], ["d"]]
    assert line.texts() == [["a"], ["b", "c", "d"]]
    assert [id_ for _, _, id_ in line.requests[1]] == ["0", "1", "2"]


def test_a_request_has_at_most_the_servers_limit_of_calls_and_smaller_ones_fill_it(line: Line) -> None:
    asked = [line.ask("a"), line.ask("b", "c", "d"), line.ask("e", "f"), line.ask("g")]
    line.answer(3)
    assert [results(one) for one in asked] == [["a"], ["b", "c", "d"], ["e", "f"], ["g"]]
    assert line.texts() == [["a"], ["b", "c", "d", "g"], ["e", "f"]]


def test_a_reference_to_another_calls_result_is_renumbered_with_its_call(line: Line) -> None:
    first = line.ask("a")
    query: Call = ("x:Domain/query", {"filter": {"name": "b.test"}})
    get: Call = ("x:Domain/get", {"#ids": {"resultOf": "0", "name": "x:Domain/query", "path": "/ids"}})
    line.ask("b")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(line.sharing.responses, [query, get], repeatable=True, shareable=True)
        until(lambda: len(line.sharing._waiting) == 2)
        line.answer(2)
        assert asked.result(timeout=10)[1][1]["#ids"]["resultOf"] == "1"
    assert results(first) == ["a"]
    assert get[1]["#ids"]["resultOf"] == "0"


@pytest.mark.parametrize("alone", [{"shareable": False}, {"repeatable": False}, {"seconds": 4.0}])
def test_calls_that_must_not_repeat_or_have_little_time_share_no_request(line: Line, alone: dict[str, Any]) -> None:
    asked = [line.ask("a"), line.ask("b"), line.ask("alone", **alone), line.ask("c")]
    line.answer(3)
    assert [results(one) for one in asked] == [["a"], ["b"], ["alone"], ["c"]]
    assert line.texts() == [["a"], ["b", "c"], ["alone"]]


@pytest.mark.parametrize("reason", ["unreachable", "upstream_error", "unexpected_answer"])
def test_a_failed_shared_request_is_split_and_only_its_bad_part_fails(line: Line, reason: str) -> None:
    asked = [line.ask("a"), line.ask("b"), line.ask("bad"), line.ask("c")]
    line.faults = {2: TemporaryError(reason), 4: TemporaryError("upstream_error", "This one.")}
    line.answer(5)
    assert [results(asked[n]) for n in (0, 1, 3)] == [["a"], ["b"], ["c"]]
    with pytest.raises(TemporaryError, match="This one"):
        asked[2].result(timeout=10)
    assert line.texts() == [["a"], ["b", "bad", "c"], ["b"], ["bad"], ["c"]]


def test_a_call_that_a_filter_refuses_fails_no_other_and_makes_no_later_request_smaller(line: Line) -> None:
    asked = [line.ask("a"), line.ask("bad"), line.ask("b")]
    line.faults = {2: PermanentError("missing_permission"), 3: PermanentError("missing_permission", "This one.")}
    line.answer(4)
    assert [results(asked[n]) for n in (0, 2)] == [["a"], ["b"]]
    with pytest.raises(PermanentError, match="This one"):
        asked[1].result(timeout=10)
    later = [line.ask("first"), line.ask("c"), line.ask("d"), line.ask("e")]
    line.answer(2)
    assert [results(one) for one in later] == [["first"], ["c"], ["d"], ["e"]]
    assert line.texts()[-1] == ["c", "d", "e"]


def test_calls_after_a_failed_request_follow_its_parts_and_share_a_request_again(line: Line) -> None:
    asked = [line.ask("a"), line.ask("b"), line.ask("c")]
    line.answer()
    until(lambda: len(line.requests) == 2)
    asked += [line.ask("d"), line.ask("e")]
    line.faults = {2: TemporaryError("unreachable")}
    line.answer(4)
    assert [results(one) for one in asked] == [["a"], ["b"], ["c"], ["d"], ["e"]]
    assert line.texts() == [["a"], ["b", "c"], ["b"], ["c"], ["d", "e"]]


def test_a_refused_shared_request_halves_the_size_of_later_requests(line: Line) -> None:
    asked = [line.ask("a"), line.ask("b"), line.ask("c"), line.ask("d"), line.ask("e")]
    line.faults = {2: PermanentError("invalid", "It answered 400.")}
    line.answer()
    until(lambda: len(line.requests) == 2)
    asked += [line.ask("f"), line.ask("g"), line.ask("h")]
    line.answer(7)
    assert [results(one) for one in asked] == [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"], ["h"]]
    assert [len(texts) for texts in line.texts()] == [1, 4, 1, 1, 1, 1, 2, 1]


def test_a_server_that_keeps_refusing_gets_single_calls_in_the_end(line: Line) -> None:
    asked = [line.ask("a"), line.ask("b"), line.ask("c"), line.ask("d")]
    line.faults = {2: PermanentError("invalid", "It answered 400.")}
    line.answer()
    until(lambda: len(line.requests) == 2)
    asked += [line.ask("e"), line.ask("f")]
    line.answer(6)
    assert [results(one) for one in asked] == [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]
    assert [len(texts) for texts in line.texts()] == [1, 3, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("problem", [TemporaryError("throttled", wait=600.0), TemporaryError("timeout")])
def test_a_retry_after_or_hang_of_one_call_fails_no_other_in_its_request(line: Line, problem: Fault) -> None:
    asked = [line.ask("a"), line.ask("b"), line.ask("poisoned"), line.ask("c")]
    line.faults = {2: problem, 4: problem}
    line.answer(5)
    assert [results(one) for one in (asked[0], asked[1], asked[3])] == [["a"], ["b"], ["c"]]
    with pytest.raises(TemporaryError, match=problem.reason):
        asked[2].result(timeout=10)
    assert line.texts() == [["a"], ["b", "poisoned", "c"], ["b"], ["poisoned"], ["c"]]


@pytest.mark.parametrize("problem", [TemporaryError("throttled", wait=0.5), PermanentError("bad_credentials")])
def test_a_fault_that_concerns_every_call_is_not_repeated_per_call(line: Line, problem: Fault) -> None:
    asked = [line.ask("a"), line.ask("b"), line.ask("c")]
    line.faults = {2: problem}
    line.answer(2)
    seen = []
    for one in asked[1:]:
        with pytest.raises(Fault) as raised:
            one.result(timeout=10)
        seen.append(raised.value)
    assert {(one.reason, getattr(one, "wait", None)) for one in seen} == {
        (problem.reason, getattr(problem, "wait", None))
    }
    assert seen[0] is not seen[1]
    assert len(line.requests) == 2


def test_a_call_that_times_out_before_it_is_sent_is_dropped_and_delays_no_other(line: Line) -> None:
    first, late, last = line.ask("a"), line.ask("late", seconds=0.05), line.ask("b")
    with pytest.raises(TemporaryError, match="waited for a free request"):
        late.result(timeout=10)
    line.answer(2)
    assert (results(first), results(last)) == (["a"], ["b"])
    assert line.texts() == [["a"], ["b"]]


def test_a_call_with_little_time_left_after_waiting_is_sent_by_itself(line: Line) -> None:
    # the request ends with the time of the thread that sends it
    line.sharing._call_seconds = 0.6
    first, short, other = line.ask("a"), line.ask("short", seconds=0.9), line.ask("b")
    time.sleep(0.4)
    line.answer(3)
    assert [results(one) for one in (first, short, other)] == [["a"], ["short"], ["b"]]
    assert line.texts() == [["a"], ["short"], ["b"]]


def test_a_caller_that_gave_up_a_failing_request_delays_no_other(line: Line) -> None:
    line.sharing._call_seconds = 0.2
    first, other, hasty = line.ask("a"), line.ask("b"), line.ask("hasty", seconds=0.4)
    line.answer()
    with pytest.raises(TemporaryError, match="before the response"):
        hasty.result(timeout=10)
    line.faults = {2: TemporaryError("unreachable")}
    line.answer(3)
    last = line.ask("c")
    assert (results(first), results(other), results(last)) == (["a"], ["b"], ["c"])
    assert line.texts() == [["a"], ["b", "hasty"], ["b"], ["c"]]


def test_a_sender_that_dies_leaves_no_thread_waiting(line: Line) -> None:
    asked = [line.ask("a"), line.ask("b"), line.ask("c"), line.ask("d")]
    line.faults = {2: SystemExit()}
    line.answer(2)
    with pytest.raises(SystemExit):
        asked[1].result(timeout=10)
    for one in asked[2:]:
        with pytest.raises(TemporaryError, match="broke"):
            one.result(timeout=10)
    last = line.ask("e")
    line.answer()
    assert results(last) == ["e"]


# -- at the server


def shared_client(stalwart: StalwartSimulator) -> StalwartClient:
    return StalwartClient(Jmap(JsonClient(stalwart.url, authorize=BearerToken(API_TOKEN), call_seconds=5.0)), "off")


def names(count: int) -> list[str]:
    return [f"acme{number}.test" for number in range(count)]


def make_all(mail: StalwartClient, steps: list[StepContext]) -> list[Result | str]:
    def result(step: StepContext) -> Result | str:
        try:
            return ensure_mail(step, mail).result
        except Fault as problem:
            return problem.reason

    with ThreadPoolExecutor(len(steps)) as threads:
        return list(threads.map(result, steps))


def test_many_concurrent_tenants_share_requests_and_each_domain_gets_its_postmaster(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    fault(stalwart, kind="latency", delay=0.1)
    made = make_all(
        shared_client(stalwart), [make_step("stalwart", domains=(name,), is_first=True) for name in names(24)]
    )
    assert set(made) == {Result.OK}
    found = stalwart.snapshot()
    ids = {one["name"]: one["id"] for one in found["Domain"]}
    assert sorted(ids) == sorted(names(24))
    assert {one["emailAddress"]: one["domainId"] for one in found["Account"]} == {
        f"postmaster@{name}": id_ for name, id_ in ids.items()
    }
    creating = [entry["body"] for entry in stalwart.journal if "x:Domain/set" in entry["body"]]
    assert len(creating) < 12
    assert sum(body.count("x:Domain/set") for body in creating) == 24


def test_a_name_in_use_fails_no_other_call_of_its_request_and_creates_no_postmaster(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    other = shared_client(stalwart).create_domain("acme7.test", "theirs", None)
    fault(stalwart, kind="latency", delay=0.1)
    made = make_all(
        shared_client(stalwart), [make_step("stalwart", domains=(name,), is_first=True) for name in names(16)]
    )
    assert [number for number, one in enumerate(made) if one != Result.OK] == [7]
    assert made[7] == "taken"
    accounts = stalwart.snapshot()["Account"]
    assert len(accounts) == 16
    assert [one["domainId"] for one in accounts].count(other) == 1


@pytest.mark.parametrize("kind", ["lost", "reset"])
def test_a_shared_request_whose_response_is_lost_creates_nothing_twice(
    stalwart: StalwartSimulator, make_step: MakeStep, kind: str
) -> None:
    fault(stalwart, kind=kind, contains="x:Domain/set", after=1, count=3)
    fault(stalwart, kind="latency", delay=0.1)
    made = make_all(
        shared_client(stalwart), [make_step("stalwart", domains=(name,), is_first=True) for name in names(16)]
    )
    assert set(made) <= {Result.OK, "unreachable"}
    assert sum(one is Result.OK for one in made) >= 10
    found = stalwart.snapshot()
    assert len({one["name"] for one in found["Domain"]}) == len(found["Domain"])
    assert all(TENANT_ID[:8] in one["description"] for one in found["Domain"])
