"""What a storm's end is told as: plain lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tools.chaos.plan import Plan
from tools.chaos.recovery import durations, recoveries, times
from tools.chaos.settings import SHORTENED
from tools.chaos.storm import Outcome
from tools.chaos.worker_settings import VISIBILITY

#: how many breaks of one law are told in full
MOST_SENTENCES = 12


def lines(plan: Plan, outcome: Outcome, broken: Mapping[str, Sequence[str]]) -> Iterator[str]:
    size = plan.size
    processes = f"{size.apis} API processes, {size.workers} workers, {size.sweeps} sweeps"
    yield f"seed {plan.seed}: {size.tenants} tenants, {size.minutes:g} min, {processes}"
    shortened = ", ".join(f"{name}={value}" for name, value in {**SHORTENED, **VISIBILITY}.items())
    yield f"shortened: {shortened}"
    yield from _table("faults", outcome.faults)
    yield from _table("requests", Counter({" ".join(key): count for key, count in outcome.journal.summary().items()}))
    yield f"  {outcome.journal.requests} sent in all, {outcome.journal.lost_answers} without an answer"
    yield from _table("operations", _operations(outcome))
    yield from _recovery(outcome)
    for name, codes in outcome.evidence.unasked.items():
        yield f"{name} ended by itself, or told to stop, with {codes} and was started again"
    yield from _verdict(plan, broken)


def _operations(outcome: Outcome) -> Counter[str]:
    rows = outcome.evidence.operations
    return Counter(f"{row['action']}{' (plan)' if row['mode'] == 'plan' else ''} {row['status']}" for row in rows)


def _recovery(outcome: Outcome) -> Iterator[str]:
    rows = outcome.evidence.operations
    table = {
        "from the last trouble's end during an operation to its own end": recoveries(rows, outcome.spans),
        "from accepted to ended, all operations": durations(rows),
    }
    for name, seconds in table.items():
        found = times(seconds)
        yield f"{name}: p50 {found.p50:.2f} s, p99 {found.p99:.2f} s, longest {found.longest:.2f} s ({found.count})"
    yield f"quiet {outcome.calm:.1f} s after the storm; {outcome.again} failed operations were asked for again"


def _verdict(plan: Plan, broken: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for law, sentences in broken.items():
        yield f"BROKEN: {law} ({len(sentences)} times)"
        for sentence in sentences[:MOST_SENTENCES]:
            yield f"  - {sentence}"
    yield f"seed {plan.seed}: " + (f"{len(broken)} laws are broken" if broken else "all laws hold")


def _table(title: str, counts: Counter[str]) -> Iterator[str]:
    yield f"{title} ({sum(counts.values())}):"
    for name, count in sorted(counts.items()):
        yield f"  {count:6d}  {name}"
