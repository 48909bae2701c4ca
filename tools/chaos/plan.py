"""Plan a run from one seed before anything starts. Only the timing varies between runs of a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.chaos.faults.products import PRODUCTS, make_rule
from tools.chaos.load.scripts import Script, make_script
from tools.chaos.platform.settings import SHORTENED

LEASE = float(SHORTENED["LEASE_SECONDS"])

#: class of faults: average seconds from one to the next, and kind: (weight, shortest and longest duration)
FAULTS: Mapping[str, tuple[float, Mapping[str, tuple[int, float, float]]]] = {
    "worker": (
        9.0,
        {
            "worker killed": (6, 0.0, 1.5),
            "worker frozen": (2, 1.0, 1.7 * LEASE),
            "worker told to stop": (2, 0.0, 0.5),
            "all workers killed": (1, 0.5, 3.0),
        },
    ),
    "api": (9.0, {"api killed": (1, 0.0, 1.0)}),
    "scheduler": (15.0, {"scheduler killed": (3, 0.0, 2.0), "scheduler frozen": (1, 1.0, 1.4 * LEASE)}),
    "broker": (12.0, {"broker killed": (2, 0.2, 3.0), "broker flushed": (2, 0.0, 0.0), "broker hung": (2, 0.5, 4.0)}),
    "database": (
        18.0,
        {"database killed": (2, 0.1, 1.5), "database stepped down": (2, 1.0, 1.0), "database hung": (1, 0.5, 3.0)},
    ),
    **{product: (5.0, {f"{product} at fault": (1, 2.0, 6.0)}) for product in PRODUCTS},
}


@dataclass(frozen=True)
class Size:
    """The size of a run. `minutes`: how long faults are injected and clients begin requests."""

    tenants: int = 200
    minutes: float = 3.0
    apis: int = 10
    workers: int = 4
    schedulers: int = 2
    clients: int = 12

    @property
    def seconds(self) -> float:
        return self.minutes * 60


@dataclass(frozen=True)
class Fault:
    """`at` and `lasts` in seconds; `pick`: a fraction that chooses the process; `rule`: a simulator's fault."""

    at: float
    lasts: float
    kind: str
    pick: float
    rule: Mapping[str, Any] = field(default_factory=dict)

    @property
    def product(self) -> str | None:
        word = self.kind.split()[0]
        return word if word in PRODUCTS else None


@dataclass(frozen=True)
class Plan:
    """`message_factor`: how many times more often than usual messages are copied, delayed and malformed."""

    seed: int
    size: Size
    scripts: tuple[Script, ...]
    faults: tuple[Fault, ...]
    message_factor: float = 1.0


def make_plan(seed: int, size: Size) -> Plan:
    """Draw all random values, each part from a separate stream, so that one does not change the others."""
    scripts = [
        make_script(number, size.seconds, random.Random(f"{seed} tenant {number}")) for number in range(size.tenants)
    ]
    faults = [one for name in FAULTS for one in _faults(name, size.seconds, random.Random(f"{seed} {name}"))]
    return Plan(seed, size, tuple(scripts), tuple(sorted(faults, key=lambda one: one.at)))


def _faults(name: str, seconds: float, chance: random.Random) -> list[Fault]:
    """Draw the faults of one class, one after the other; the last ends before the run does."""
    gap, kinds = FAULTS[name]
    found: list[Fault] = []
    at = chance.uniform(0.2, 1.0) * gap
    while at < seconds * 0.95:
        kind = chance.choices(list(kinds), [weight for weight, _, _ in kinds.values()])[0]
        _, shortest, longest = kinds[kind]
        lasts = min(chance.uniform(shortest, longest), seconds - at)
        rule = make_rule(name, chance) if name in PRODUCTS else {}
        found.append(Fault(at, lasts, kind, chance.random(), rule))
        at += lasts + chance.uniform(0.3, 1.7) * gap
    return found
