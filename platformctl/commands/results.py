"""How tenants and operations are printed, and how a command ends that may wait for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platformctl.api import Answer
from platformctl.output import console
from platformctl.session import Session
from platformctl.waiting import end_with, operation_view, wait_for


def show_tenant(session: Session, answer: Answer) -> None:
    tenant = answer.body
    session.out.answer(answer, hide=("operation",))
    if tenant.get("operation") and not session.out.as_json:
        console().print()
        console().print(operation_view(tenant["operation"]))


def show_operation(session: Session, operation: Mapping[str, Any]) -> None:
    if session.out.as_json:
        session.out.record(operation)
    else:
        console().print(operation_view(operation))


def finish_operation(session: Session, operation: Mapping[str, Any], wait: bool, timeout: float) -> None:
    """Print the operation; with `wait` as it ended, and end the program with the exit code that says how."""
    if not wait:
        show_operation(session, operation)
        return
    ended = wait_for(session.api, str(operation["id"]), timeout)
    show_operation(session, ended)
    end_with(ended)


def finish_tenant(session: Session, answer: Answer, wait: bool, timeout: float) -> None:
    """Print the tenant; after the end of the operation that was started, if there is one to wait for."""
    started = answer.headers.get("Operation-Location", "").rpartition("/")[2]
    if not wait or not started:
        show_tenant(session, answer)
        return
    operation = wait_for(session.api, started, timeout)
    show_tenant(session, session.api.get(f"/tenants/{answer.body['slug']}"))
    end_with(operation)
