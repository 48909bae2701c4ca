"""Scripts: the requests that clients send about one tenant, one after the other, made from the seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: state that the script expects a tenant to be in: kind of the next request, its weight, and the state after it
KINDS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "active": {
        "rename": (4, "active"),
        "change domains": (3, "active"),
        "reconcile": (3, "active"),
        "dry run": (1, "active"),
        "suspend": (3, "suspended"),
        "delete": (2, "deleted"),
        "reconcile and delete at once": (1, "deleted"),
        "reconcile twice at once": (1, "active"),
    },
    "suspended": {"resume": (5, "active"), "delete": (1, "deleted"), "resume and delete at once": (1, "deleted")},
    "deleted": {"restore": (4, "active"), "purge": (3, "purged"), "restore and purge at once": (1, "deleted")},
    "purged": {},
}
#: kinds that send two requests at the same moment; the winner is not predictable
CONCURRENT_PAIRS: Mapping[str, tuple[str, str]] = {
    "reconcile and delete at once": ("reconcile", "delete"),
    "reconcile twice at once": ("reconcile", "reconcile"),
    "resume and delete at once": ("resume", "delete"),
    "restore and purge at once": ("restore", "purge"),
}
MAX_REQUESTS = 7


@dataclass(frozen=True)
class ScriptedRequest:
    """`after`: seconds after the previous answer. `is_patient`: it waits until the tenant's operation has ended."""

    kind: str
    after: float
    is_patient: bool
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Script:
    """The script of one tenant. `begins`: seconds after the run began."""

    slug: str
    begins: float
    requests: tuple[ScriptedRequest, ...]


def make_script(number: int, seconds: float, chance: random.Random) -> Script:
    slug = f"t{number:04d}"
    begins = chance.uniform(0, 0.6) * seconds
    requests = [ScriptedRequest("create", 0.0, False, _new(slug, chance))]
    state = "active"
    for _ in range(chance.randint(1, MAX_REQUESTS)):
        kinds = KINDS[state]
        if not kinds:
            break
        kind = chance.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
        state = kinds[kind][1]
        after = chance.uniform(0, 0.04) * seconds
        requests.append(ScriptedRequest(kind, after, chance.random() < 0.75, _body(kind, slug, chance)))
    return Script(slug, begins, tuple(requests))


def _new(slug: str, chance: random.Random) -> dict[str, Any]:
    owner = {"owner": {"email": f"owner@{slug}.test", "name": f"Owner {slug}"}} if chance.random() < 0.3 else {}
    return {"slug": slug, "name": _name(slug, chance), "domains": _domains(slug, chance), **owner}


def _body(kind: str, slug: str, chance: random.Random) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        "rename": {"name": _name(slug, chance)},
        "change domains": {"domains": _domains(slug, chance)},
        "suspend": {"reason": f"chaos {chance.randint(0, 999)}"},
    }
    return bodies.get(kind, {})


def domains_of(slug: str) -> list[str]:
    """Return the domains that a tenant may have."""
    return [f"{slug}.test", f"{slug}-b.test", f"{slug}-c.test"]


def _name(slug: str, chance: random.Random) -> str:
    return f"Tenant {slug} the {chance.randint(1, 999)}th"


def _domains(slug: str, chance: random.Random) -> list[str]:
    return sorted(chance.sample(domains_of(slug), chance.randint(1, 2)))
