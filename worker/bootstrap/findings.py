"""Findings of the bootstrap, printed as one screen of lines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    READY = "ready"
    #: a person must act
    TO_DO = "to do"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """`subject`: a product or a task. `text`: one sentence with the result or the task."""

    state: State
    subject: str
    text: str


def screen(findings: list[Finding]) -> str:
    """Format findings as lines: failures first, then tasks, then products that are ready."""
    order = [State.FAILED, State.TO_DO, State.READY]
    width = max((len(one.subject) for one in findings), default=0)
    lines = [
        f"{one.state:<6}  {one.subject:<{width}}  {one.text}"
        for one in sorted(findings, key=lambda f: order.index(f.state))
    ]
    return "\n".join(lines)
