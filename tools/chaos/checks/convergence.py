"""After the last fault: wait until all operations have ended, request failed ones again, and gather evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

import redis
from pymongo.errors import PyMongoError

from tools.chaos.checks.broker import left_over
from tools.chaos.checks.evidence import Evidence, Row
from tools.chaos.faults.products import PRODUCTS
from tools.chaos.load.caller import Caller, ClientRequest
from tools.chaos.load.request_log import RequestLog
from tools.chaos.platform.environment import Environment

KeepRunning = Callable[[Callable[[], bool], float], bool]

ROUNDS = 3
#: seconds for messages of a dead worker to be delivered again and found obsolete
BROKER_SECONDS = 40.0
#: action of a failed operation to the action that an operator requests, if it is not the same
RETRIED_AS: Mapping[str, str] = {"provision": "reconcile"}
#: a log event for a fault of ours, such as step.bug
BUG = re.compile(r"\b[a-z_]+\.bug\b")


class Convergence:
    """`keep_running(condition, seconds)` restarts processes until the condition is true, or returns False."""

    def __init__(self, environment: Environment, caller: Caller, log: RequestLog, keep_running: KeepRunning) -> None:
        self._environment, self._caller, self._log, self._keep_running = environment, caller, log, keep_running

    def wait_until_settled(self, seconds: float) -> bool:
        """Wait until no operation is open or unsettled."""
        return self._keep_running(self._is_settled, seconds)

    def retry_failed(self, seconds: float) -> int:
        """Request failed operations again, a few times; return the number of requests."""
        count = 0
        for number in range(ROUNDS):
            failed = self._failed_operations()
            for row in failed:
                kind: str = RETRIED_AS.get(row["action"], row["action"])
                body = {"reason": "requested again"} if kind == "suspend" else {}
                request = ClientRequest(row["tenantSlug"], kind, f"{row['tenantSlug']}-again-{number}", body)
                self._keep_running(lambda request=request: self._answered(request), 20.0)  # type: ignore[misc]
            if not failed:
                break
            count += len(failed)
            self.wait_until_settled(seconds)
        return count

    def wait_for_broker(self) -> bool:
        """Wait until the broker has no message that a worker would process."""
        return self._keep_running(lambda: not list(self._left_over()), BROKER_SECONDS)

    def evidence(self, requests: dict[str, list[Row]], members: Collection[str]) -> Evidence:
        """Gather the records and the products' states. `members`: slugs of tenants that have a member."""
        database = self._environment.database
        return Evidence(
            entries=self._log.entries,
            tenants=list(database["tenants"].find()),
            operations=list(database["operations"].find()),
            events=list(database["events"].find()),
            products={product: self._environment.state(product) for product in PRODUCTS},
            requests=requests,
            members=frozenset(members),
            broker=list(self._left_over()),
            server_errors=list(self._log.server_errors),
            bugs=list(self._bugs()),
            unexpected_exits={
                one.name: one.unexpected_exits for one in self._environment.processes.all() if one.unexpected_exits
            },
        )

    def _is_settled(self) -> bool:
        try:
            return self._environment.database["operations"].find_one(_OPEN, {"_id": 1}) is None
        except PyMongoError:
            return False

    def _answered(self, request: ClientRequest) -> bool:
        entry = self._caller.send(request)
        if entry is not None:
            self._log.add(entry)
        return entry is not None

    def _failed_operations(self) -> list[Row]:
        """Return the latest operation of each tenant if it failed."""
        latest: dict[str, Row] = {}
        for row in self._environment.database["operations"].find({"mode": "apply"}).sort("generation", 1):
            latest[row["tenantId"]] = row
        return [row for row in latest.values() if row["status"] == "failed"]

    def _left_over(self) -> Iterator[str]:
        try:
            return left_over(self._environment.broker)
        except redis.RedisError as problem:
            return iter([f"the broker does not answer: {type(problem).__name__}"])

    def _bugs(self) -> Iterator[str]:
        for managed in self._environment.processes.all():
            for line in bug_lines(managed.log.read_text(errors="replace")):
                yield f"{managed.name}: {line[:300]}"


def bug_lines(log: str) -> list[str]:
    """Return the lines of a process' log that report a fault of ours."""
    return [line for line in log.splitlines() if BUG.search(line)]


_OPEN = {"$or": [{"status": "running"}, {"settled": False}]}
