"""`platformctl users`, `partners` and `subscriptions`: who people are, for whom they work, and what tenants pay for."""

from __future__ import annotations

from typing import Any

import click

from platformctl.cli.records import Field, Kind, record_group
from platformctl.cli.types import PARTNER, SLUG, USER, WORD, Pairs
from platformctl.output import Column
from platformctl.session import Session

ID = "6b058a725d1747cfeba27b12"
ROLES = click.Choice(["owner", "admin", "member"])
PLATFORM_ROLES = click.Choice(["admin", "support"])
STATUSES = click.Choice(["trialing", "active", "past_due", "canceled"])


def partner_id(session: Session, name: str) -> str:
    return session.names.partner_id(name)


def tenant_id(session: Session, slug: str) -> str:
    return session.names.tenant_id(slug)


def _tenant_ids(session: Session, slugs: list[str]) -> list[str]:
    return [tenant_id(session, slug) for slug in slugs]


def _roles(session: Session, roles: dict[str, str]) -> dict[str, str]:
    return {tenant_id(session, slug): role for slug, role in roles.items()}


def _user_id(session: Session, name: str) -> str:
    return session.names.user_id(name)


def _subscription_id(session: Session, name: str) -> str:
    return session.names.subscription_id(name)


PARTNER_FIELD = Field(
    "partnerId",
    "--partner",
    "The partner, by slug or id.",
    PARTNER,
    empties="--no-partner",
    convert=partner_id,
    metavar="PARTNER",
)


def tenant_filter(text: str) -> click.Option:
    return click.Option(["--tenant"], metavar="SLUG", type=SLUG, help=text)


users = record_group(
    Kind(
        plural="users",
        noun="user",
        title="People's records, and what they may do.",
        resource=lambda platform: platform.users,
        columns=(
            Column("email", "email"),
            Column("role", "role"),
            Column("tenants", "tenantIds"),
            Column("partner", "partnerId"),
            Column("age", "createdAt"),
            Column("name", "name", wide=True),
            Column("platform role", "platformRole", wide=True),
            Column("roles", "roles", wide=True),
            Column("id", "_id", wide=True),
        ),
        argument=USER,
        find=_user_id,
        fields=(
            Field("email", "--email", "E-mail address.", required=True),
            Field("name", "--name", "As people write it.", required=True),
            Field("role", "--role", "In all of their tenants, and for their partner.", ROLES),
            Field(
                "roles",
                "--tenant-role",
                "In single tenants, as acme=admin,globex=member.",
                Pairs(),
                convert=_roles,
                metavar="SLUG=ROLE",
            ),
            Field(
                "platformRole",
                "--platform-role",
                "In all tenants: admin changes everything, support only reads.",
                PLATFORM_ROLES,
                empties="--no-platform-role",
            ),
            Field(
                "tenantIds",
                "--tenant",
                "A tenant they belong to; may be repeated. An update replaces all of them.",
                SLUG,
                multiple=True,
                empties="--no-tenants",
                empty=[],
                convert=_tenant_ids,
                metavar="SLUG",
            ),
            PARTNER_FIELD,
        ),
        key=("authentikSubjectId", "SUBJECT", click.STRING),
        filters=(
            tenant_filter("Only those of this tenant."),
            click.Option(["--partner"], metavar="ID", help="Only those of this partner."),
            click.Option(["--search", "q"], metavar="PREFIX", help="Only those whose e-mail address begins so."),
        ),
        help={
            "list": (
                "List users, newest first.",
                ["users list --tenant acme", "users list --search ann@ --output json"],
            ),
            "show": ("Show one user, by e-mail address or id.", ["users show ann@acme.example"]),
            "create": (
                "Create a person's record before they first sign in. SUBJECT: their `sub` at the identity provider.",
                ["users create 9f2c... --email ann@acme.example --name Ann --role owner --tenant acme"],
            ),
            "update": (
                "Change a user; fields that are not given stay.",
                [
                    "users update ann@acme.example --tenant-role acme=admin",
                    f"users update {ID} --tenant acme --tenant globex",
                ],
            ),
            "delete": (
                "Delete a user's record. The person stays known to the identity provider.",
                ["users delete ann@acme.example --yes"],
            ),
        },
    )
)

partners = record_group(
    Kind(
        plural="partners",
        noun="partner",
        title="Resellers, whose administrators manage their own tenants.",
        resource=lambda platform: platform.partners,
        columns=(
            Column("slug", "slug"),
            Column("name", "name"),
            Column("age", "createdAt"),
            Column("id", "_id"),
        ),
        argument=PARTNER,
        find=partner_id,
        fields=(Field("name", "--name", "As people write it.", required=True),),
        key=("slug", "SLUG", click.STRING),
        help={
            "list": ("List partners, newest first.", ["partners list"]),
            "show": ("Show one partner, by slug or id.", ["partners show northwind"]),
            "create": ("Create a partner.", ['partners create northwind --name "Northwind IT"']),
            "update": (
                "Give a partner another name; the slug stays.",
                ['partners update northwind --name "Northwind Services"'],
            ),
            "delete": ("Delete a partner that has no tenants and no users.", ["partners delete northwind --yes"]),
        },
    )
)

subscriptions = record_group(
    Kind(
        plural="subscriptions",
        noun="subscription",
        title="What tenants pay for.",
        resource=lambda platform: platform.subscriptions,
        columns=(
            Column("tenant", "tenantId"),
            Column("plan", "plan"),
            Column("status", "status"),
            Column("period ends", "currentPeriodEnd"),
            Column("age", "createdAt"),
            Column("id", "_id"),
        ),
        argument=WORD,
        find=_subscription_id,
        fields=(
            Field("plan", "--plan", "Of the catalogue.", required=True),
            Field("status", "--status", "", STATUSES),
            Field("stripeCustomerId", "--stripe-customer", "Stripe's id.", metavar="ID"),
            Field("stripeSubscriptionId", "--stripe-subscription", "Stripe's id.", metavar="ID"),
            Field(
                "currentPeriodEnd",
                "--period-end",
                "As 2030-01-31T00:00:00Z.",
                empties="--no-period-end",
                metavar="TIME",
            ),
        ),
        key=("tenantId", "TENANT", SLUG),
        convert_key=tenant_id,
        filters=(
            tenant_filter("Only those of this tenant."),
            click.Option(["--status"], type=STATUSES),
        ),
        help={
            "list": (
                "List subscriptions, newest first.",
                ["subscriptions list --status past_due", "subscriptions list --tenant acme --output json"],
            ),
            "show": ("Show a subscription, by its tenant's slug or its id.", ["subscriptions show acme"]),
            "create": (
                "Create the subscription of a tenant, named by its slug.",
                ["subscriptions create acme --plan business --status trialing"],
            ),
            "update": (
                "Change a subscription; fields that are not given stay.",
                ["subscriptions update acme --status canceled"],
            ),
            "delete": (
                "Delete a subscription. To end one and keep its history, set its status to canceled.",
                [f"subscriptions delete {ID} --yes"],
            ),
        },
    )
)

PEOPLE: tuple[Any, ...] = (users, partners, subscriptions)
