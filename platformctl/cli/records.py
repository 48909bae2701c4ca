"""Generate the commands list, show, create, update and delete for a kind of record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from client import Platform, Response
from client.resources.records import Records
from platformctl.cli.groups import Command, Group
from platformctl.cli.options import conditional, confirmed, given, listed, paged, repeatable, require_yes
from platformctl.output import Column, say
from platformctl.session import Session, with_session
from platformctl.text import plain


@dataclass(frozen=True)
class Field:
    """A field with an option. `empties`: option that sets it to `empty`. `convert`: converts names to ids."""

    name: str
    option: str
    help: str = ""
    type: click.ParamType[Any] | None = None
    multiple: bool = False
    required: bool = False
    creates: bool = True
    updates: bool = True
    empties: str | None = None
    empty: Any = None
    convert: Callable[[Session, Any], Any] | None = None
    metavar: str | None = None

    def options(self, *, creating: bool) -> list[click.Option]:
        decls = [self.option, self.name]
        shared: dict[str, Any] = {
            "type": self.type,
            "help": self.help or None,
            "multiple": self.multiple,
            "metavar": self.metavar,
        }
        if self.option.count("--") == 2:  # a pair, such as --enable/--disable
            shared = {"help": self.help or None}
        made = [click.Option(decls, default=None, required=self.required and creating, **shared)]
        if self.empties is not None and not creating:
            made.append(click.Option([self.empties, f"empty_{self.name}"], is_flag=True, help="Empty it."))
        return made


ERASE = "Erase the person's data from events too; prints what remains and why. For platform administrators."
AGE = Column("age", "createdAt")
ID = Column("id", "_id")
WIDE_ID = replace(ID, wide=True)


@dataclass(frozen=True)
class Kind:
    """The description of one kind of record for its commands. `find`: converts the name given by people to the id."""

    plural: str
    noun: str
    title: str
    resource: Callable[[Platform], Records[Any, Any, Any]]
    columns: Sequence[Column]
    argument: click.ParamType[str]
    find: Callable[[Session, str], str]
    fields: Sequence[Field]
    #: name of the field that is an argument of `create`, and its metavar
    key: tuple[str, str, click.ParamType[Any]]
    #: verb to examples of its command
    examples: Mapping[str, Sequence[str]]
    #: verb to its command's help text, where the usual one does not say enough
    help: Mapping[str, str] = field(default_factory=dict)
    #: column that names a record for people, beside its id
    name: str | None = None
    #: filters of the list
    filters: Sequence[Field] = ()
    convert_key: Callable[[Session, Any], Any] | None = None
    #: prints the result of `create`
    created: Callable[[Session, Response[Any]], None] | None = None
    #: adds `delete --erase`: takes the platform, an id and an ETag, and returns what was erased and what remains
    erase: Callable[[Platform, str, str | None], Response[Any]] | None = None


def record_group(kind: Kind) -> Group:
    """Make a group with the commands list, show, create, update and delete."""
    group = Group(kind.plural, help=kind.title)
    for verb, make in (
        ("list", _list),
        ("show", _show),
        ("create", _create),
        ("update", _update),
        ("delete", _delete),
    ):
        command = make(kind)
        command.name = verb
        command.help = explain(kind.help.get(verb) or _usual(kind)[verb], kind.examples[verb])
        group.add_command(command)
    return group


def _usual(kind: Kind) -> Mapping[str, str]:
    """Return the usual help texts of the commands."""
    return {
        "list": f"List {kind.plural}, newest first.",
        "show": f"Show one {kind.noun}, by {f'{kind.name} or id' if kind.name else 'id'}.",
        "create": f"Create a {kind.noun}.",
        "update": f"Change a {kind.noun}; fields that are not given stay.",
        "delete": f"Delete a {kind.noun}.",
    }


def explain(text: str, examples: Sequence[str]) -> str:
    """Return a command's help: its explanation and examples."""
    return "\n".join([text, "", "\b", "Examples:", *(f"  platformctl {example}" for example in examples)])


def body_of(session: Session, fields: Sequence[Field], options: Mapping[str, Any], *, creating: bool) -> dict[str, Any]:
    """Return the request body from the options. Raises UsageError for an empty or contradictory update."""
    body = given({one.name: options.get(one.name) for one in fields})
    for one in fields:
        if one.name in body and one.convert is not None:
            body[one.name] = one.convert(session, body[one.name])
    if creating:
        return body
    emptied = {one.name: one.empty for one in fields if options.get(f"empty_{one.name}")}
    if both := sorted(set(body) & set(emptied)):
        raise click.UsageError(f"Give {', '.join(both)} or empty it, not both.")
    if not body and not emptied:
        raise click.UsageError("Say what to change; --help lists what can be.")
    return body | emptied


def field_options(fields: Sequence[Field], *, creating: bool) -> list[click.Option]:
    chosen = [one for one in fields if (one.creates if creating else one.updates)]
    return [option for one in chosen for option in one.options(creating=creating)]


def _list(kind: Kind) -> Command:
    @click.command(cls=Command)
    @paged
    @with_session
    def list_records(session: Session, /, limit: int | None, **filters: Any) -> None:
        narrowed = body_of(session, kind.filters, filters, creating=True)
        found = kind.resource(session.platform).list(limit, **narrowed)
        session.out.records(listed(found, limit), kind.columns)

    return _with(list_records, field_options(kind.filters, creating=True))


def _show(kind: Kind) -> Command:
    @click.command(cls=Command)
    @click.argument("record", metavar=kind.noun.upper(), type=kind.argument)
    @with_session
    def show(session: Session, /, record: str) -> None:
        session.out.response(kind.resource(session.platform).get(kind.find(session, record)))

    return _as_command(show)


def _create(kind: Kind) -> Command:
    name, metavar, key_type = kind.key

    @click.command(cls=Command)
    @click.argument("value", metavar=metavar, type=key_type)
    @repeatable
    @with_session
    def create(session: Session, /, value: Any, key: str, **options: Any) -> None:
        found = kind.convert_key(session, value) if kind.convert_key else value
        body = {name: found, **body_of(session, kind.fields, options, creating=True)}
        response = kind.resource(session.platform).create(body, key=key)
        (kind.created or _print)(session, response)

    return _with(create, field_options(kind.fields, creating=True))


def _update(kind: Kind) -> Command:
    @click.command(cls=Command)
    @click.argument("record", metavar=kind.noun.upper(), type=kind.argument)
    @conditional
    @with_session
    def update(session: Session, /, record: str, if_match: str | None, **options: Any) -> None:
        body = body_of(session, kind.fields, options, creating=False)
        resource = kind.resource(session.platform)
        session.out.response(resource.update(kind.find(session, record), body, if_match=if_match))

    return _with(update, field_options(kind.fields, creating=False))


def _delete(kind: Kind) -> Command:
    @click.command(cls=Command)
    @click.argument("record", metavar=kind.noun.upper(), type=kind.argument)
    @confirmed
    @conditional
    @with_session
    def delete(session: Session, /, record: str, yes: bool, if_match: str | None, erase: bool = False) -> None:
        if erase and kind.erase is not None:
            require_yes(session, yes, f"delete the {kind.noun} {record} and erase personal data in events for good")
            _print_erasure(session, kind.erase(session.platform, kind.find(session, record), if_match))
            return
        require_yes(session, yes, f"delete the {kind.noun} {record}")
        kind.resource(session.platform).delete(kind.find(session, record), if_match=if_match)
        say("Deleted.")

    return _with(delete, [] if kind.erase is None else [click.Option(["--erase"], is_flag=True, help=ERASE)])


def _print_erasure(session: Session, response: Response[Any]) -> None:
    if session.out.is_data:
        session.out.response(response)
        return
    click.echo(f"Erased, also from {response.data['erasedEvents']} events. These remain:")
    for sentence in response.data["kept"]:
        click.echo(f"  {plain(sentence)}")


def _print(session: Session, response: Response[Any]) -> None:
    session.out.response(response)


def _with(command: click.Command, options: Sequence[click.Option]) -> Command:
    command.params = [*options, *command.params]
    return _as_command(command)


def _as_command(command: click.Command) -> Command:
    assert isinstance(command, Command)  # noqa: S101 - click.command(cls=Command) made it
    return command
