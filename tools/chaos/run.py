"""One chaos run: inject faults under load, let the platform recover, and gather evidence for the invariants."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.processes import end, spawn
from tools.chaos.checks.convergence import Convergence
from tools.chaos.checks.evidence import Evidence, Row
from tools.chaos.checks.probes import probe_effects
from tools.chaos.faults.injector import FaultInjector, Span
from tools.chaos.faults.products import PRODUCTS
from tools.chaos.load.caller import Caller
from tools.chaos.load.clients import Clients
from tools.chaos.load.members import Members
from tools.chaos.load.request_log import RequestLog
from tools.chaos.plan import Plan
from tools.chaos.platform.environment import Environment, running_environment
from tools.chaos.platform.processes import Start
from tools.chaos.platform.settings import plain_environment

Say = Callable[[str], None]
#: seconds between runs of the main loop, and between reads of the simulators' request journals
LOOP_SECONDS, TAKING_SECONDS = 0.05, 4.0
#: how long clients may wait for answers after the last fault, in seconds
LAST_ANSWERS = 15.0


@dataclass
class Result:
    """`settled_after`: seconds from the last fault until no operation was open; `retried`: how many failed ones were
    requested again."""

    evidence: Evidence
    spans: list[Span]
    faults: Counter[str]
    log: RequestLog
    settled_after: float
    retried: int


def run_chaos(plan: Plan, folder: Path, say: Say, start: Start = spawn) -> Result:
    """Run the plan. Raises TimeoutError, ServiceError when the servers do not start.

    `start`: starts the platform's processes.
    """
    say("starting servers, simulators and processes")
    slugs = [script.slug for script in plan.scripts]
    with running_environment(plan.size, folder, slugs, start) as environment:
        return _Run(plan, environment, say).run()


class _Run:
    def __init__(self, plan: Plan, environment: Environment, say: Say) -> None:
        self._plan, self._environment, self._say = plan, environment, say
        self._log = RequestLog()
        self._caller = Caller(environment.api_urls, environment.token(), self._log)
        self._members = Members(environment.control)
        self._clients = Clients(self._caller, self._log, self._members, plan.scripts, plan.size.clients)
        self._injector = FaultInjector(environment, plan.faults)
        self._requests: dict[str, list[Row]] = {product: [] for product in PRODUCTS}
        self._taken = time.monotonic()

    def run(self) -> Result:
        self._say(f"injecting {len(self._plan.faults)} faults in {self._plan.size.seconds:.0f} s")
        message_faults = self._start_message_faults()
        self._injector.begin()
        self._clients.start()
        began = time.monotonic()
        self._keep_running(lambda: time.monotonic() - began >= self._plan.size.seconds)
        self._clients.finish()
        self._keep_running(self._injector.is_over)
        self._end_faults(message_faults)
        self._say("all faults have ended; waiting until every operation has ended")
        settling_began = time.monotonic()
        self._await_answers()
        convergence = Convergence(self._environment, self._caller, self._log, self._keep_running)
        convergence.wait_until_settled(self._settle_timeout())
        settled_after = time.monotonic() - settling_began
        retried = convergence.retry_failed(self._settle_timeout())
        convergence.wait_for_broker()
        self._take_requests()
        self._let_members_join()
        self._say("checking what members, strangers and senders of mail can do")
        evidence = convergence.evidence(self._requests, self._members.joined)
        effects = probe_effects(self._environment, evidence, self._members)
        faults = Counter(span.kind for span in self._injector.spans if span.kind.split()[0] not in PRODUCTS)
        faults += self._injector.applied + self._message_faults_done()
        return Result(
            evidence=replace(evidence, effects=effects, malformed_messages=faults["message malformed"]),
            spans=self._injector.spans,
            faults=faults,
            log=self._log,
            settled_after=settled_after,
            retried=retried,
        )

    def _let_members_join(self) -> None:
        """Let a member join each active tenant that has none yet."""
        for script in self._plan.scripts:
            state = self._caller.tenant(script.slug)
            if state is not None:
                self._members.join(script.slug, state)

    def _await_answers(self) -> None:
        if not self._keep_running(self._clients.is_done, LAST_ANSWERS):
            self._clients.give_up()
            self._keep_running(self._clients.is_done, LAST_ANSWERS)
        self._clients.join()

    def _settle_timeout(self) -> float:
        """Return the seconds in which all operations must end."""
        return max(45.0, min(180.0, self._plan.size.seconds))

    def _keep_running(self, is_enough: Callable[[], bool], seconds: float = 7200.0) -> bool:
        """Inject faults and restart processes until the condition is true; return False after so many seconds."""
        give_up = time.monotonic() + seconds
        while not is_enough():
            if time.monotonic() > give_up:
                return False
            self._injector.tend()
            if time.monotonic() - self._taken > TAKING_SECONDS:
                self._take_requests()
            time.sleep(LOOP_SECONDS)
        return True

    def _take_requests(self) -> None:
        self._taken = time.monotonic()
        for product, found in self._requests.items():
            found.extend(self._environment.take_requests(product))

    def _start_message_faults(self) -> subprocess.Popen[bytes]:
        given = (self._environment.valkey.url, self._plan.seed, self._plan.size.seconds, self._plan.message_factor)
        command = [sys.executable, "-m", "tools.chaos.faults.messages", *map(str, given)]
        return spawn(command, log=self._environment.folder / "messages.log", env=plain_environment())

    def _end_faults(self, message_faults: subprocess.Popen[bytes]) -> None:
        end(message_faults, 10)
        for product in PRODUCTS:
            self._environment.end_faults(product)

    def _message_faults_done(self) -> Counter[str]:
        lines = (self._environment.folder / "messages.log").read_text().strip().splitlines()
        return Counter(json.loads(lines[-1])) if lines and lines[-1].startswith("{") else Counter()
