"""`platformctl status`, `doctor`, `events`, `api` and `completion`: the platform as a whole."""

from __future__ import annotations

from typing import Any, NoReturn

import click
from click.shell_completion import get_completion_class

from client import Response
from platformctl.cli.groups import Command
from platformctl.cli.options import filters_of, given, listed, paged, repeatable, selected, timeout
from platformctl.cli.types import SLUG, JsonFile, Pairs
from platformctl.data import as_json
from platformctl.failures import ExitCode
from platformctl.output import Column, say
from platformctl.session import Session, with_session
from platformctl.text import line, plain
from platformctl.views.status import end_with_diagnosis, print_diagnosis, print_status

PROGRAM = "platformctl"
VARIABLE = "_PLATFORMCTL_COMPLETE"
EVENTS = (
    Column("age", "time"),
    Column("tenant", "tenant"),
    Column("action", "action"),
    Column("actor", "actor"),
    Column("after", "after"),
    Column("id", "id", wide=True),
    Column("request", "requestId", wide=True),
)
METHODS = click.Choice(["GET", "POST", "PATCH", "DELETE"], case_sensitive=False)


@click.command(cls=Command)
@with_session
def status(session: Session, /) -> None:
    """Show current problems: tenants, time, reason and remedy. Exit code 1 if there are any.

    \b
    Examples:
      platformctl status
      platformctl status -o json | jq -r '.groups[] | [.kind, .integration, .reason, .count] | @tsv'
    """
    found = session.platform.status().data
    print_status(session, found)
    click.get_current_context().exit(ExitCode.OK if found["ok"] else ExitCode.OPERATION_FAILED)


@click.command(cls=Command)
@repeatable
@timeout
@with_session
def doctor(session: Session, /, key: str, timeout: float) -> None:
    """Check products, rights, DNS, TLS, queues and workers.

    A scheduler runs the checks. Exit code 1 if one failed.

    \b
    Examples:
      platformctl doctor
    """
    diagnostics = session.platform.diagnostics
    started = diagnostics.start(key=key).data["id"]
    say("Waiting for a scheduler to run the checks ...")
    found = diagnostics.wait(started, timeout)
    print_diagnosis(session, found)
    end_with_diagnosis(found)


@click.command(cls=Command)
@click.option("--tenant", type=SLUG, metavar="SLUG", help="Only those of this tenant.")
@selected("Any filters of the API, as action=tenant.created.")
@click.option("--follow", is_flag=True, help="Go on with new ones as they happen, oldest first, until Ctrl-C.")
@paged
@with_session
def events(session: Session, /, tenant: str | None, selector: dict[str, str], follow: bool, limit: int | None) -> None:
    """List events, newest first; or follow them. With --follow and JSON: one object to a line.

    \b
    Examples:
      platformctl events --tenant acme --limit 20
      platformctl events --follow --output json | jq -c 'select(.action == "operation.failed")'
    """
    filters = filters_of(given({"tenant": tenant}), selector)
    if follow:
        _follow(session, filters, limit)
    session.out.records(listed(session.platform.events.list(limit, **filters), limit), EVENTS)


@click.command(cls=Command)
@click.argument("path")
@click.option("-X", "--method", type=METHODS, help="Default: GET, or POST with --input.")
@click.option("--query", type=Pairs(), default=dict, help="Query parameters, as status=active,limit=5.")
@click.option(
    "--input", "body", type=JsonFile(any_value=True), help="File with the body as JSON; - for standard input."
)
@click.option("--header", type=Pairs(), default=dict, help="Headers, as If-Match=3.")
@click.option("--include", is_flag=True, help="Print the headers of the response too, on stderr.")
@click.option("--paginate", is_flag=True, help="Follow a list to its end.")
@with_session
def api(session: Session, /, path: str, body: Any, include: bool, paginate: bool, **options: Any) -> None:
    """Send any request to the API and print the response's JSON.

    \b
    Examples:
      platformctl api /tenants --query status=active --paginate
      platformctl api /tenants/acme/reconcile -X POST
      platformctl api /partners --input partner.json
    """
    if not path.startswith("/"):
        raise click.UsageError(f"{path!r} is not a path of the API; it must begin with a slash, as in /tenants.")
    method = (options["method"] or ("GET" if body is None else "POST")).upper()
    if paginate and method != "GET":
        raise click.UsageError("--paginate is for GET only.")
    platform = session.platform
    if paginate:
        _print_data(session, list(platform.connection.records(path, options["query"])))
        return
    response = platform.request(method, path, body, params=options["query"], headers=options["header"])
    if include:
        _print_headers(response)
    if response.data is not None:
        _print_data(session, response.data)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell. It completes slugs and ids too, by asking the API.

    \b
    Examples:
      source <(platformctl completion bash)
      platformctl completion fish > ~/.config/fish/completions/platformctl.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not supported.")
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())


def _follow(session: Session, filters: dict[str, Any], limit: int | None) -> NoReturn:
    """Print events as they come, until Ctrl-C, which is no failure here."""
    last = 200 if limit is None else limit
    try:
        feed = session.platform.events.follow(
            last, interrupted=lambda error: say(f"{error.message} Trying again."), **filters
        )
        for event in feed:
            texts = (event["time"], *(_text(session, column, event) for column in EVENTS[1:] if not column.wide))
            session.out.line(event, "  ".join(texts))
    except KeyboardInterrupt:
        pass
    click.get_current_context().exit(ExitCode.OK)


def _text(session: Session, column: Column, event: Any) -> str:
    return line(column.field, column.value(event), session.out.translate)


def _print_headers(response: Response[Any]) -> None:
    for name, value in response.headers.items():
        say(f"{name}: {plain(value)}")


def _print_data(session: Session, data: Any) -> None:
    """Print any JSON; tables are for known kinds of records."""
    if session.settings.output in ("yaml", "name"):
        session.out.data(data)
    else:
        click.echo(as_json(data))


SERVICE = (status, doctor, events, api, completion)
