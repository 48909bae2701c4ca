"""`platformctl integrations`: how each outside system stands; stop the work on one, or on all, and let it go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from platformctl.commands.groups import Group
from platformctl.commands.options import Word, repeatable
from platformctl.session import Session, with_session

COLUMNS = (
    ("name", "name"),
    ("paused", "paused"),
    ("paused since", "pausedSince"),
    ("why", "why"),
    ("breaker", "breakerState"),
    ("failures", "failures"),
    ("open until", "openUntil"),
    ("cause", "cause"),
)


@click.group(cls=Group)
def integrations() -> None:
    """How each outside system stands; pause one, or all."""


@integrations.command("list")
@with_session
def list_integrations(session: Session, /) -> None:
    """List integrations: paused by somebody, left alone after failures, or at work.

    \b
    Examples:
      platformctl integrations list
    """
    found = session.api.get("/integrations").body
    session.out.records(found if session.out.as_json else list(map(_row, found)), COLUMNS)


@integrations.command()
@click.argument("integration", type=Word())
@click.option("--reason", required=True, help="Why; shown on every step that waits for it.")
@repeatable
@with_session
def pause(session: Session, /, integration: str, reason: str, key: str) -> None:
    """Let no step of an integration begin; `all`: of any. What has begun ends, what waits keeps its time.

    \b
    Examples:
      platformctl integrations pause stalwart --reason "upgrade to 0.17"
    """
    session.out.answer(session.api.post(f"/integrations/{integration}/pause", {"reason": reason}, key=key))


@integrations.command()
@click.argument("integration", type=Word())
@repeatable
@with_session
def resume(session: Session, /, integration: str, key: str) -> None:
    """Let steps go on; an integration that was left alone is tried again at once.

    \b
    Examples:
      platformctl integrations resume stalwart
    """
    session.out.answer(session.api.post(f"/integrations/{integration}/resume", key=key))


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    """An integration on one line."""
    pause, breaker = one.get("pause") or {}, one["breaker"]
    return {
        "name": one["name"],
        "paused": one["paused"],
        "pausedSince": pause.get("since"),
        "why": pause.get("reason"),
        "breakerState": breaker["state"],
        "failures": breaker["failures"],
        "openUntil": breaker.get("openUntil"),
        "cause": breaker.get("reason"),
    }
