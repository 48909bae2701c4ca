"""One storm from its beginning to the evidence that it leaves: troubles and clients, then calm."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes import end, spawn
from tools.chaos.aftermath import Aftermath
from tools.chaos.clients import Clients
from tools.chaos.evidence import Evidence, Row
from tools.chaos.ground import Ground, ground
from tools.chaos.journal import Journal
from tools.chaos.plan import Plan
from tools.chaos.requesting import Caller
from tools.chaos.settings import plain_environment
from tools.chaos.trouble import Span, TroubleMaker
from tools.chaos.upstream_faults import PRODUCTS

Say = Callable[[str], None]
#: how often the main loop turns, and how often the products' request journals are emptied, in seconds
TURN, EMPTYING = 0.05, 4.0
#: how long clients may still wait for answers when the storm is over, in seconds
LAST_ANSWERS = 15.0


@dataclass
class Outcome:
    """`calm`: seconds from the storm's end until nothing was open; `again`: how often something was asked for again."""

    evidence: Evidence
    spans: list[Span]
    faults: Counter[str]
    journal: Journal
    calm: float
    again: int


def rage(plan: Plan, folder: Path, say: Say) -> Outcome:
    """Run the whole of it. Raises TimeoutError, ServiceError when it cannot even begin."""
    say("starting servers, products and processes")
    with ground(plan.size, folder) as place:
        return _Storm(plan, place, say).run()


class _Storm:
    def __init__(self, plan: Plan, place: Ground, say: Say) -> None:
        self._plan, self._ground, self._say = plan, place, say
        self._journal = Journal()
        self._caller = Caller(place.api_urls, place.token(), self._journal)
        self._clients = Clients(self._caller, self._journal, plan.scripts, plan.size.clients)
        self._maker = TroubleMaker(place, plan.troubles)
        self._requests: dict[str, list[Row]] = {product: [] for product in PRODUCTS}
        self._emptied = time.monotonic()

    def run(self) -> Outcome:
        self._say(f"the storm begins, {len(self._plan.troubles)} troubles in {self._plan.size.seconds:.0f} s")
        postman = self._start_postman()
        self._maker.begin()
        self._clients.start()
        began = time.monotonic()
        self._turn(lambda: time.monotonic() - began >= self._plan.size.seconds)
        self._clients.finish()
        self._turn(self._maker.is_over)
        self._still(postman)
        self._say("the storm is over")
        calm_began = time.monotonic()
        if not self._turn(self._clients.is_done, LAST_ANSWERS):
            self._clients.give_up()
            self._turn(self._clients.is_done, LAST_ANSWERS)
        self._clients.join()
        aftermath = Aftermath(self._ground, self._caller, self._journal, self._turn)
        aftermath.fall_quiet(self._patience())
        calm = time.monotonic() - calm_began
        again = aftermath.ask_again(self._patience())
        aftermath.empty_broker()
        self._empty_journals()
        faults = Counter(span.kind for span in self._maker.spans if span.kind.split()[0] not in PRODUCTS)
        return Outcome(
            evidence=aftermath.evidence(self._requests),
            spans=self._maker.spans,
            faults=faults + self._maker.struck + self._delivered(),
            journal=self._journal,
            calm=calm,
            again=again,
        )

    def _patience(self) -> float:
        """How long all may take to fall quiet, in seconds."""
        return max(45.0, min(180.0, self._plan.size.seconds))

    def _turn(self, is_enough: Callable[[], bool], seconds: float = 7200.0) -> bool:
        """Keep everything going until it is enough. False when that took too long."""
        give_up = time.monotonic() + seconds
        while not is_enough():
            if time.monotonic() > give_up:
                return False
            self._maker.tend()
            if time.monotonic() - self._emptied > EMPTYING:
                self._empty_journals()
            time.sleep(TURN)
        return True

    def _empty_journals(self) -> None:
        self._emptied = time.monotonic()
        for product, found in self._requests.items():
            found.extend(self._ground.journal(product))

    def _start_postman(self) -> subprocess.Popen[bytes]:
        seconds = self._plan.size.seconds
        given = (self._ground.valkey.url, self._plan.seed, seconds, self._plan.meddling)
        command = [sys.executable, "-m", "tools.chaos.postman", *map(str, given)]
        return spawn(command, log=self._ground.folder / "postman.log", env=plain_environment())

    def _still(self, postman: subprocess.Popen[bytes]) -> None:
        """No trouble any more, whatever the plan said."""
        end(postman, 10)
        for product in PRODUCTS:
            self._ground.end_orders(product)

    def _delivered(self) -> Counter[str]:
        lines = (self._ground.folder / "postman.log").read_text().strip().splitlines()
        return Counter(json.loads(lines[-1])) if lines and lines[-1].startswith("{") else Counter()
