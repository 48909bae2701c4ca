"""The program's entry point: the root command with all other commands."""

from __future__ import annotations

import click

from client.transport import package_version
from platformctl.cli.groups import Root
from platformctl.commands.account import ACCOUNT
from platformctl.commands.declarative import DECLARATIVE
from platformctl.commands.domains import domains
from platformctl.commands.operations import bulk, operations
from platformctl.commands.orphans import orphans
from platformctl.commands.people import PEOPLE
from platformctl.commands.service import PROGRAM, SERVICE, VARIABLE
from platformctl.commands.switches import SWITCHES
from platformctl.commands.tenants import tenants
from platformctl.commands.webhooks import webhooks


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_version(), prog_name=PROGRAM)
def cli() -> None:
    """Manage the platform: tenants, their operations, users and rights.

    PLATFORM_TOKEN, a bearer token, is used instead of a sign-in. Options may also follow the command.

    \b
    Exit codes:
      0 done    1 the operation failed or was cancelled, or there are problems    2 wrong command line
      3 refused    4 unreachable, or a server error    5 not signed in
      6 still running after the timeout    130 interrupted by Ctrl-C    141 output closed

    \b
    Examples:
      platformctl login --api-url https://api.example.com --client-id platformctl \\
          --issuer https://auth.example.com/application/o/platformctl/
      platformctl status
      platformctl tenants create acme --name "Acme GmbH" --domain acme.example --wait
      platformctl tenants list --output json | jq -r '.[].slug'
    """


for command in (
    *(*ACCOUNT, tenants, operations, bulk, domains, *DECLARATIVE),
    *(*SWITCHES, orphans, *PEOPLE, webhooks, *SERVICE),
):
    cli.add_command(command)


def main() -> None:
    cli(prog_name=PROGRAM, complete_var=VARIABLE)


if __name__ == "__main__":
    main()
