"""`platformctl users`, `partners` and `subscriptions`: manage records of users, resellers and subscriptions."""

from __future__ import annotations

from typing import Any

import click

from platformctl.cli.fields import (
    OF_PARTNER,
    OF_TENANT,
    PARTNER_FIELD,
    ROLES_FIELD,
    TENANTS_FIELD,
    partner_id,
    tenant_id,
)
from platformctl.cli.records import AGE, ID, WIDE_ID, Field, Kind, record_group
from platformctl.cli.types import PARTNER, SLUG, USER, WORD
from platformctl.output import Column

EXAMPLE = "6b058a725d1747cfeba27b12"
STATUSES = click.Choice(["trialing", "active", "past_due", "canceled"])

users = record_group(
    Kind(
        plural="users",
        noun="user",
        title="Manage users and their rights.",
        resource=lambda platform: platform.users,
        name="e-mail address",
        argument=USER,
        find=lambda session, name: session.names.user_id(name),
        columns=(
            Column("email", "email"),
            Column("role", "role"),
            Column("tenants", "tenantIds"),
            Column("partner", "partnerId"),
            AGE,
            Column("name", "name", wide=True),
            Column("platform role", "platformRole", wide=True),
            Column("roles", "roles", wide=True),
            WIDE_ID,
        ),
        key=("authentikSubjectId", "SUBJECT", click.STRING),
        fields=(
            Field("email", "--email", "E-mail address.", required=True),
            Field("name", "--name", "As people write it.", required=True),
            Field(
                "role",
                "--role",
                "In all of their tenants, and for their partner.",
                click.Choice(["owner", "admin", "member"]),
            ),
            ROLES_FIELD,
            Field(
                "platformRole",
                "--platform-role",
                "In all tenants: admin changes everything, support only reads.",
                click.Choice(["admin", "support"]),
                empties="--no-platform-role",
            ),
            TENANTS_FIELD,
            PARTNER_FIELD,
        ),
        filters=(
            OF_TENANT,
            OF_PARTNER,
            Field("q", "--search", "Only those whose e-mail address begins so.", metavar="PREFIX"),
        ),
        help={
            "create": "Create a person's record before they first sign in. SUBJECT: their `sub` at the issuer.",
            "delete": "Delete a user's record. The person stays known to the identity provider.",
        },
        examples={
            "list": ["users list --tenant acme", "users list --search ann@ --output json"],
            "show": ["users show ann@acme.example"],
            "create": ["users create 9f2c... --email ann@acme.example --name Ann --role owner --tenant acme"],
            "update": [
                "users update ann@acme.example --tenant-role acme=admin",
                f"users update {EXAMPLE} --tenant acme --tenant globex",
            ],
            "delete": ["users delete ann@acme.example --yes", "users delete ann@acme.example --erase"],
        },
        erase=lambda platform, user, etag: platform.users.erase(user, if_match=etag),
    )
)

partners = record_group(
    Kind(
        plural="partners",
        noun="partner",
        title="Manage partners (resellers).\n\nTheir administrators manage their own tenants.",
        resource=lambda platform: platform.partners,
        name="slug",
        argument=PARTNER,
        find=partner_id,
        columns=(Column("slug", "slug"), Column("name", "name"), AGE, ID),
        key=("slug", "SLUG", click.STRING),
        fields=(Field("name", "--name", "As people write it.", required=True),),
        help={
            "update": "Give a partner another name; the slug stays.",
            "delete": "Delete a partner that has no tenants and no users.",
        },
        examples={
            "list": ["partners list"],
            "show": ["partners show northwind"],
            "create": ['partners create northwind --name "Northwind IT"'],
            "update": ['partners update northwind --name "Northwind Services"'],
            "delete": ["partners delete northwind --yes"],
        },
    )
)

subscriptions = record_group(
    Kind(
        plural="subscriptions",
        noun="subscription",
        title="Manage subscriptions of tenants.",
        resource=lambda platform: platform.subscriptions,
        name="its tenant's slug",
        argument=WORD,
        find=lambda session, name: session.names.subscription_id(name),
        columns=(
            Column("tenant", "tenantId"),
            Column("plan", "plan"),
            Column("status", "status"),
            Column("period ends", "currentPeriodEnd"),
            AGE,
            ID,
        ),
        key=("tenantId", "TENANT", SLUG),
        convert_key=tenant_id,
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
        filters=(OF_TENANT, Field("status", "--status", "Only those of this status.", STATUSES)),
        help={
            "create": "Create the subscription of a tenant, named by its slug.",
            "delete": "Delete a subscription. To end one and keep its history, set its status to canceled.",
        },
        examples={
            "list": ["subscriptions list --status past_due", "subscriptions list --tenant acme --output json"],
            "show": ["subscriptions show acme"],
            "create": ["subscriptions create acme --plan business --status trialing"],
            "update": ["subscriptions update acme --status canceled"],
            "delete": [f"subscriptions delete {EXAMPLE} --yes"],
        },
    )
)

PEOPLE: tuple[Any, ...] = (users, partners, subscriptions)
