"""Report a run as lines of plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tools.chaos.plan import Plan
from tools.chaos.platform.settings import SHORTENED
from tools.chaos.platform.worker_settings import VISIBILITY
from tools.chaos.recovery import durations, recoveries, times
from tools.chaos.run import Result

#: how many violations of one invariant are printed
MAX_SENTENCES = 12


def lines(plan: Plan, result: Result, broken: Mapping[str, Sequence[str]]) -> Iterator[str]:
    size = plan.size
    processes = f"{size.apis} API processes, {size.workers} workers, {size.schedulers} schedulers"
    yield f"seed {plan.seed}: {size.tenants} tenants, {size.minutes:g} min, {processes}"
    shortened = ", ".join(f"{name}={value}" for name, value in {**SHORTENED, **VISIBILITY}.items())
    yield f"settings shortened for the run: {shortened}"
    yield from _table("faults", result.faults)
    yield from _table("requests", Counter({" ".join(key): count for key, count in result.log.summary().items()}))
    yield f"  {result.log.requests} sent including repetitions, {result.log.lost_responses} without an answer"
    yield from _table("operations", _operations(result))
    yield from _table("effects checked", result.evidence.effects.counts())
    yield from _recovery(result)
    for name, codes in result.evidence.unexpected_exits.items():
        yield f"{name} ended without being killed, or with an error after SIGTERM, with {codes}; it was started again"
    yield from _result(plan, broken)


def _operations(result: Result) -> Counter[str]:
    rows = result.evidence.operations
    return Counter(f"{row['action']}{' (dry run)' if row['mode'] == 'plan' else ''} {row['status']}" for row in rows)


def _recovery(result: Result) -> Iterator[str]:
    rows = result.evidence.operations
    table = {
        "recovery, from the end of the last fault during an operation to its end": recoveries(rows, result.spans),
        "duration, from acceptance to end, of all operations": durations(rows),
    }
    for name, seconds in table.items():
        found = times(seconds)
        yield f"{name}: p50 {found.p50:.2f} s, p99 {found.p99:.2f} s, longest {found.longest:.2f} s ({found.count})"
    yield (
        f"no operation was open {result.settled_after:.1f} s after the last fault; "
        f"{result.retried} failed operations were requested again"
    )


def _result(plan: Plan, broken: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for invariant, sentences in broken.items():
        yield f"BROKEN: {invariant} ({len(sentences)} times)"
        for sentence in sentences[:MAX_SENTENCES]:
            yield f"  - {sentence}"
    yield f"seed {plan.seed}: " + (f"{len(broken)} invariants are broken" if broken else "all invariants hold")


def _table(title: str, counts: Counter[str]) -> Iterator[str]:
    yield f"{title} ({sum(counts.values())}):"
    for name, count in sorted(counts.items()):
        yield f"  {count:6d}  {name}"
