"""`platformctl apply` and `diff`: apply files that declare tenants and partners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from client import ApiError
from platformctl.cli.groups import Command
from platformctl.cli.options import timeout
from platformctl.failures import ExitCode, exit_code_of, failure_of, printable
from platformctl.manifest import Comparison, Manifest, apply, compare, read_manifests
from platformctl.output import Column, say
from platformctl.session import Session, with_session
from platformctl.waiting import RUNNING, SUCCEEDED, wait_for

RESULTS = (Column("name", "name"), Column("result", "result"), Column("operation", "operation"))
files = click.option(
    "-f", "--file", "paths", multiple=True, required=True, help="YAML file, several documents; - for standard input."
)


@click.command("diff", cls=Command)
@files
@with_session
def diff_command(session: Session, /, paths: tuple[str, ...]) -> None:
    """Show what apply would change. Exit code 0: nothing; 1: something; more: it failed.

    \b
    Examples:
      platformctl diff -f tenants.yaml
    """
    results = list(_compare(session, read_manifests(paths)))
    for _, comparison, _ in results:
        for text in comparison.diff() if comparison is not None else []:
            colour = {"+": "green", "-": "red"}.get(text[:1])
            click.echo(click.style(printable(text), fg=colour) if colour else printable(text))
    failed = [code for _, _, code in results if code is not None]
    changes = any(comparison is not None and comparison.diff() for _, comparison, _ in results)
    click.get_current_context().exit(max(failed) if failed else int(changes))


@click.command("apply", cls=Command)
@files
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be created or configured.")
@click.option("--wait", is_flag=True, help="Wait until the operations that it started have ended.")
@timeout
@with_session
def apply_command(session: Session, /, paths: tuple[str, ...], dry_run: bool, wait: bool, timeout: float) -> None:
    """Make tenants and partners as files declare them. Applied twice, nothing changes the second time.

    A document has the fields kind (Tenant or Partner; default: Tenant), slug, name; a tenant also plan, domains,
    partner (a slug), billingInfo, owner. Fields that are absent stay as they are.

    \b
    Examples:
      platformctl apply -f tenants.yaml --wait
      platformctl apply -f tenants.yaml --dry-run
    """
    results: list[dict[str, Any]] = []
    codes: list[int] = []
    for manifest, comparison, code in _compare(session, read_manifests(paths)):
        result: dict[str, Any] = {"name": manifest.name, "result": "failed"}
        if comparison is not None:
            result, code = _apply(session, comparison, dry_run)
        results.append(result)
        codes += [code] if code is not None else []
    if wait:
        codes += [code for one in results if "operation" in one and (code := _wait_for_end(session, one, timeout))]
    session.out.records(results, RESULTS)
    click.get_current_context().exit(max(codes, default=ExitCode.OK))


def _compare(session: Session, manifests: list[Manifest]) -> Iterator[tuple[Manifest, Comparison | None, int | None]]:
    """Yield each document with its comparison, or with the exit code of a failure, which is printed."""
    for manifest in manifests:
        try:
            yield manifest, compare(session, manifest), None
        except (ApiError, click.UsageError) as error:
            yield manifest, None, _report_failure(manifest, error)


def _apply(session: Session, comparison: Comparison, dry_run: bool) -> tuple[dict[str, Any], int | None]:
    result: dict[str, Any] = {"name": comparison.manifest.name, "result": comparison.outcome}
    if dry_run:
        return result, None
    try:
        response = apply(session, comparison)
    except (ApiError, click.UsageError) as error:
        return {**result, "result": "failed"}, _report_failure(comparison.manifest, error)
    if response is not None and response.operation_id is not None:
        result["operation"] = response.operation_id
    return result, None


def _wait_for_end(session: Session, result: dict[str, Any], timeout: float) -> int:
    """Wait for the operation of a result; return the exit code that says how it ended."""
    operation = wait_for(session.platform, result["operation"], timeout)
    if operation["status"] == SUCCEEDED:
        return ExitCode.OK
    say(f"{result['name']}: the {operation['action']} is {operation['status']}.")
    return ExitCode.STILL_RUNNING if operation["status"] == RUNNING else ExitCode.OPERATION_FAILED


def _report_failure(manifest: Manifest, error: ApiError | click.UsageError) -> int:
    """Say why a document failed; return the exit code that it means."""
    notes = failure_of(error).notes if isinstance(error, ApiError) else ()
    say("\n  ".join([f"{manifest.source}, {manifest.name}: {error.message}", *notes]))
    return exit_code_of(error) if isinstance(error, ApiError) else ExitCode.REFUSED


DECLARATIVE = (apply_command, diff_command)
