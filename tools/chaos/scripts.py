"""What clients want of one tenant, one after the other: a script, made from the seed. Never what came of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: how a tenant is wished to be: what may be asked for then (weight), and how it is wished to be afterwards
MOVES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "alive": {
        "rename": (4, "alive"),
        "change domains": (3, "alive"),
        "reconcile": (3, "alive"),
        "plan": (1, "alive"),
        "suspend": (3, "suspended"),
        "delete": (2, "deleted"),
        "reconcile and delete at once": (1, "deleted"),
        "reconcile twice at once": (1, "alive"),
    },
    "suspended": {"resume": (5, "alive"), "delete": (1, "deleted"), "resume and delete at once": (1, "deleted")},
    "deleted": {"restore": (4, "alive"), "purge": (3, "purged"), "restore and purge at once": (1, "deleted")},
    "purged": {},
}
#: moves after which nobody can know beforehand which of two came first; a few are asked for at the same moment
AT_ONCE: Mapping[str, tuple[str, str]] = {
    "reconcile and delete at once": ("reconcile", "delete"),
    "reconcile twice at once": ("reconcile", "reconcile"),
    "resume and delete at once": ("resume", "delete"),
    "restore and purge at once": ("restore", "purge"),
}
MOST_MOVES = 7


@dataclass(frozen=True)
class Wish:
    """`after`: seconds after the one before was answered. `is_patient`: the tenant's operation is waited for first."""

    move: str
    after: float
    is_patient: bool
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Script:
    """One tenant's. `begins`: seconds after the storm began."""

    slug: str
    begins: float
    wishes: tuple[Wish, ...]


def make_script(number: int, seconds: float, chance: random.Random) -> Script:
    slug = f"t{number:04d}"
    begins = chance.uniform(0, 0.6) * seconds
    wishes = [Wish("create", 0.0, False, _new(slug, chance))]
    state = "alive"
    for _ in range(chance.randint(1, MOST_MOVES)):
        moves = MOVES[state]
        if not moves:
            break
        move = chance.choices(list(moves), [weight for weight, _ in moves.values()])[0]
        state = moves[move][1]
        after = chance.uniform(0, 0.04) * seconds
        wishes.append(Wish(move, after, chance.random() < 0.75, _body(move, slug, chance)))
    return Script(slug, begins, tuple(wishes))


def _new(slug: str, chance: random.Random) -> dict[str, Any]:
    owner = {"owner": {"email": f"owner@{slug}.test", "name": f"Owner {slug}"}} if chance.random() < 0.3 else {}
    return {"slug": slug, "name": _name(slug, chance), "domains": _domains(slug, chance), **owner}


def _body(move: str, slug: str, chance: random.Random) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        "rename": {"name": _name(slug, chance)},
        "change domains": {"domains": _domains(slug, chance)},
        "suspend": {"reason": f"storm {chance.randint(0, 999)}"},
    }
    return bodies.get(move, {})


def _name(slug: str, chance: random.Random) -> str:
    return f"Tenant {slug} the {chance.randint(1, 999)}th"


def _domains(slug: str, chance: random.Random) -> list[str]:
    return sorted(chance.sample([f"{slug}.test", f"{slug}-b.test", f"{slug}-c.test"], chance.randint(1, 2)))
