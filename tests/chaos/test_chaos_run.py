"""A short chaos run with the same faults each time; `make chaos` makes longer ones."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sandbox.processes import spawn
from tests.forked_processes import start_forked
from tools.chaos.checks.invariants import broken
from tools.chaos.plan import LEASE, Fault, Plan, Size, make_plan
from tools.chaos.run import run_chaos

SHORT = Size(tenants=10, minutes=0.25, apis=2, workers=2, schedulers=2, clients=4)
#: fractions that choose the first or the second of two processes
ONE, OTHER = 0.1, 0.9
#: the frozen worker continues after its leases have expired; meanwhile the other one is killed
FAULTS = (
    # they last for the whole run, because the order of requests is not known
    Fault(0.2, 14.0, "authentik at fault", ONE, {"path": "^/api", "kind": "lost", "count": 2}),
    Fault(0.2, 14.0, "stalwart at fault", ONE, {"path": "^/jmap", "kind": "applied_then_status", "count": 2}),
    Fault(0.2, 14.0, "ocis at fault", ONE, {"kind": "create_then_500", "count": 1}),
    Fault(0.2, 14.0, "ocis at fault", ONE, {"path": "^/graph", "kind": "latency", "delay": 0.4, "count": 30}),
    Fault(2.0, 1.2 * LEASE, "worker frozen", ONE),
    Fault(3.0, 1.0, "worker killed", OTHER),
    Fault(4.0, 0.3, "api killed", ONE),
    Fault(5.0, 0.5, "scheduler killed", OTHER),
    Fault(5.5, 0.0, "broker flushed", ONE),
    Fault(6.5, 0.5, "database killed", ONE),
    Fault(8.0, 1.0, "worker killed", OTHER),
    Fault(10.0, 1.0, "broker hung", ONE),
    Fault(11.0, 1.0, "database stepped down", ONE),
)
INJECTED = {
    *{one.kind for one in FAULTS if one.product is None},
    *{f"{one.product} {one.rule['kind']}" for one in FAULTS if one.product is not None},
    *("message copied", "message copied late", "message copied while it is processed", "message delayed"),
}


def short_plan() -> Plan:
    return replace(make_plan(7, SHORT), faults=FAULTS, message_factor=8)


def start(command: Sequence[str], *, log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Fork a process of the platform; not one with a wrong clock, which shifts it before its imports."""
    _, _, module, *arguments = command
    if module == "tools.chaos.platform.wrong_clock":
        return spawn(command, log=log, env=env)
    return start_forked(module, *arguments, log=log, env=env)


def test_after_a_short_run_with_each_class_of_fault_all_invariants_hold(tmp_path: Path) -> None:
    result = run_chaos(short_plan(), tmp_path, print, start)
    assert {one for one, times in result.faults.items() if times} >= INJECTED
    # a database that was killed is not always up again in time to step down
    assert {one for one in result.faults if one.endswith("without effect")} <= {"database stepped down without effect"}
    assert {row["status"] for row in result.evidence.operations} >= {"succeeded"}
    assert all(result.evidence.effects.counts().values())
    assert broken(result.evidence) == {}
