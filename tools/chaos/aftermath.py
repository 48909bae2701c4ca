"""When the storm is over: wait until all is quiet, ask again for what failed, as operators do, and gather evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import redis
from pymongo.errors import PyMongoError

from tools.chaos.broker import left_over
from tools.chaos.evidence import Evidence, Row
from tools.chaos.ground import Ground
from tools.chaos.journal import Journal
from tools.chaos.requesting import Caller, Errand
from tools.chaos.upstream_faults import PRODUCTS

Turn = Callable[[Callable[[], bool], float], bool]

ROUNDS = 3
#: how long a dead worker's messages may take to come back and be found to be nothing, in seconds
BROKER_PATIENCE = 40.0
#: action of a failed operation: what an operator asks for
AGAIN: Mapping[str, str] = {"provision": "reconcile"}
BUGS = ("step.bug", "request.bug", "webhook.bug", "domain.bug", "billing.bug")


class Aftermath:
    """`turn(condition, seconds)` keeps everything going meanwhile, and says whether the condition came true in time."""

    def __init__(self, place: Ground, caller: Caller, journal: Journal, turn: Turn) -> None:
        self._ground, self._caller, self._journal, self._turn = place, caller, journal, turn

    def fall_quiet(self, seconds: float) -> bool:
        """Wait until no operation is open or unsettled."""
        return self._turn(self._is_quiet, seconds)

    def ask_again(self, seconds: float) -> int:
        """Ask again, a few times, for what failed; how often something was asked for."""
        count = 0
        for number in range(ROUNDS):
            failed = self._failed()
            for row in failed:
                move: str = AGAIN.get(row["action"], row["action"])
                body = {"reason": "asked for again"} if move == "suspend" else {}
                errand = Errand(row["tenantSlug"], move, f"{row['tenantSlug']}-again-{number}", body)
                self._turn(lambda errand=errand: self._answered(errand), 20.0)  # type: ignore[misc]
            if not failed:
                break
            count += len(failed)
            self.fall_quiet(seconds)
        return count

    def empty_broker(self) -> bool:
        """Wait until the broker holds nothing that anybody would work on."""
        return self._turn(lambda: not list(self._left_over()), BROKER_PATIENCE)

    def evidence(self, requests: dict[str, list[Row]]) -> Evidence:
        database = self._ground.database
        return Evidence(
            entries=self._journal.entries,
            tenants=list(database["tenants"].find()),
            operations=list(database["operations"].find()),
            events=list(database["events"].find()),
            products={product: self._ground.seen(product) for product in PRODUCTS},
            requests=requests,
            broker=list(self._left_over()),
            shocks=list(self._journal.shocks),
            bugs=list(self._bugs()),
            unasked={one.name: one.unasked for one in self._ground.crew.all() if one.unasked},
        )

    def _is_quiet(self) -> bool:
        try:
            return self._ground.database["operations"].find_one(_UNQUIET, {"_id": 1}) is None
        except PyMongoError:
            return False

    def _answered(self, errand: Errand) -> bool:
        entry = self._caller.send(errand)
        if entry is not None:
            self._journal.add(entry)
        return entry is not None

    def _failed(self) -> list[Row]:
        """The latest operation of each tenant, where it failed."""
        latest: dict[str, Row] = {}
        for row in self._ground.database["operations"].find({"mode": "apply"}).sort("generation", 1):
            latest[row["tenantId"]] = row
        return [row for row in latest.values() if row["status"] == "failed"]

    def _left_over(self) -> Iterator[str]:
        try:
            return left_over(self._ground.broker)
        except redis.RedisError as problem:
            return iter([f"the broker does not answer: {type(problem).__name__}"])

    def _bugs(self) -> Iterator[str]:
        for member in self._ground.crew.all():
            for line in member.log.read_text(errors="replace").splitlines():
                if any(bug in line for bug in BUGS):
                    yield f"{member.name}: {line[:300]}"


_UNQUIET = {"$or": [{"status": "running"}, {"settled": False}]}
