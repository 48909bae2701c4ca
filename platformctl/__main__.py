"""The program's entry: the root command with all the others under it."""

from __future__ import annotations

import click

from platformctl.commands.account import login, logout, whoami
from platformctl.commands.completion import PROGRAM, VARIABLE, completion
from platformctl.commands.domains import domains
from platformctl.commands.events import events
from platformctl.commands.groups import Root
from platformctl.commands.integrations import integrations
from platformctl.commands.observing import observe_only
from platformctl.commands.operations import operations
from platformctl.commands.orphans import orphans
from platformctl.commands.partners import partners
from platformctl.commands.purges import purges
from platformctl.commands.subscriptions import subscriptions
from platformctl.commands.tenants import tenants
from platformctl.commands.users import users
from platformctl.commands.webhooks import webhooks
from platformctl.transport import program_version

COMMANDS = (
    *(login, logout, whoami),
    *(
        tenants,
        operations,
        domains,
        integrations,
        observe_only,
        orphans,
        purges,
        users,
        partners,
        subscriptions,
        events,
        webhooks,
    ),
    completion,
)


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(program_version(), prog_name=PROGRAM)
def cli() -> None:
    """Run the platform: tenants, what is being done for them, and who may.

    PLATFORM_TOKEN, a bearer token, is used instead of a sign-in. Options may stand after the command too.

    \b
    Exit codes:
      0 done    1 the operation failed or was cancelled    2 wrong command line    3 refused
      4 unreachable, or in trouble    5 not signed in    6 still running when the wait ended

    \b
    Examples:
      platformctl login --api-url https://api.example.com --client-id platformctl \\
          --issuer https://auth.example.com/application/o/platformctl/
      platformctl tenants create acme --name "Acme GmbH" --domain acme.example --wait
      platformctl tenants list --output json | jq -r '.[].slug'
    """


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    cli(prog_name=PROGRAM, complete_var=VARIABLE)


if __name__ == "__main__":
    main()
