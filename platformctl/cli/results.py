"""Print tenants and operations, and end commands that may wait for an operation."""

from __future__ import annotations

from typing import Any

import click

from client import Response
from client.models import Operation
from platformctl.output import with_etag
from platformctl.session import Session
from platformctl.waiting import end_with, operation_lines, wait_for

#: fields of a tenant that are only for programs, or are printed separately
HIDDEN = (
    "operation",
    "dnsRecords",
    "dnsRecordsAt",
    "stalwartDomains",
    "ownerSubject",
    "stalwartLocked",
    "stalwartRefused",
)


def show_tenant(session: Session, response: Response[Any]) -> None:
    """Print a tenant with its latest operation."""
    tenant = with_etag(response)
    session.out.record(tenant, hide=HIDDEN)
    if tenant.get("operation") and not session.out.is_data:
        click.echo()
        show_operation(session, tenant["operation"])


def show_operation(session: Session, operation: Any) -> None:
    if session.out.is_data:
        session.out.data(operation)
        return
    for line in operation_lines(operation):
        click.echo(line)


def finish_operation(session: Session, operation: Operation, wait: bool, timeout: float) -> None:
    """Print the operation. With `wait`, print it after its end and exit with the code for its result."""
    if not wait:
        show_operation(session, operation)
        return
    ended = wait_for(session.platform, operation["id"], timeout)
    show_operation(session, ended)
    end_with(ended)


def finish_tenant(session: Session, response: Response[Any], wait: bool, timeout: float) -> None:
    """Print the tenant; with `wait`, after the end of the operation that was started."""
    if not wait or response.operation_id is None:
        show_tenant(session, response)
        return
    operation = wait_for(session.platform, response.operation_id, timeout)
    show_tenant(session, session.platform.tenants.get(response.data["slug"]))
    end_with(operation)
