"""What a storm consists of, all of it made from one seed before anything starts. Only timing may vary between runs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.chaos.scripts import Script, make_script
from tools.chaos.settings import SHORTENED
from tools.chaos.upstream_faults import PRODUCTS, make_rule

LEASE = float(SHORTENED["LEASE_SECONDS"])

#: class of trouble: seconds from one to the next on average, and kind: (weight, shortest, longest time it lasts)
TROUBLES: Mapping[str, tuple[float, Mapping[str, tuple[int, float, float]]]] = {
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
    "sweep": (15.0, {"sweep killed": (3, 0.0, 2.0), "sweep frozen": (1, 1.0, 1.4 * LEASE)}),
    "broker": (12.0, {"broker killed": (2, 0.2, 3.0), "broker flushed": (2, 0.0, 0.0), "broker hung": (2, 0.5, 4.0)}),
    "database": (
        18.0,
        {"database killed": (2, 0.1, 1.5), "database stepped down": (2, 1.0, 1.0), "database hung": (1, 0.5, 3.0)},
    ),
    **{product: (5.0, {f"{product} at fault": (1, 2.0, 6.0)}) for product in PRODUCTS},
}


@dataclass(frozen=True)
class Size:
    """How large a storm is. `minutes`: how long troubles and clients last; then it may take as long to fall quiet."""

    tenants: int = 200
    minutes: float = 3.0
    apis: int = 10
    workers: int = 4
    sweeps: int = 2
    clients: int = 12

    @property
    def seconds(self) -> float:
        return self.minutes * 60


@dataclass(frozen=True)
class Trouble:
    """`at` and `lasts` in seconds; `pick`: a fraction that says which process; `rule`: the order for a simulator."""

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
    """`meddling`: how much more often than usual messages are doubled, delayed and held back."""

    seed: int
    size: Size
    scripts: tuple[Script, ...]
    troubles: tuple[Trouble, ...]
    meddling: float = 1.0


def make_plan(seed: int, size: Size) -> Plan:
    """Everything random in a storm, each part with a stream of its own, so that one does not move the others."""
    scripts = [
        make_script(number, size.seconds, random.Random(f"{seed} tenant {number}")) for number in range(size.tenants)
    ]
    troubles = [one for name in TROUBLES for one in _troubles(name, size.seconds, random.Random(f"{seed} {name}"))]
    return Plan(seed, size, tuple(scripts), tuple(sorted(troubles, key=lambda one: one.at)))


def _troubles(name: str, seconds: float, chance: random.Random) -> list[Trouble]:
    """Troubles of one class, one after the other, the last one over before the storm is."""
    gap, kinds = TROUBLES[name]
    found: list[Trouble] = []
    at = chance.uniform(0.2, 1.0) * gap
    while at < seconds * 0.95:
        kind = chance.choices(list(kinds), [weight for weight, _, _ in kinds.values()])[0]
        _, shortest, longest = kinds[kind]
        lasts = min(chance.uniform(shortest, longest), seconds - at)
        rule = make_rule(name, chance) if name in PRODUCTS else {}
        found.append(Trouble(at, lasts, kind, chance.random(), rule))
        at += lasts + chance.uniform(0.3, 1.7) * gap
    return found
