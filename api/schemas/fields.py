"""Field types of requests. Each has its rule twice: as a validator and as JSON Schema."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

import idna
import pycountry
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, WithJsonSchema

from shared.core import naming as names

#: control characters of ASCII and Latin-1, and Unicode line separators: they end lines or move a terminal's cursor
CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_CONTROL = re.compile(f"[{CONTROLS}]")
#: printable text that is not blank, as a pattern
PRINTABLE = rf"^(?=[\s\S]*\S)[^{CONTROLS}]+$"
#: limit of a username in Authentik
MAX_USERNAME_LENGTH = 150
#: a domain that Authentik accepts in an address: A-labels, with a dot, and no single letter at its end
ACCOUNT_DOMAIN = re.compile(r"([^.]+\.)+[^.]{2,63}")
OBJECT_ID = "^[0-9a-f]{24}$"
#: what a webhook receives: one action, all of a kind, or everything
EVENT_ACTIONS = re.compile(r"^(\*|[a-z_]{1,32}\.(\*|[a-z_]{1,32}))$")
#: beginning of an RFC 3339 time; without this check pydantic would accept a number of seconds
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _email(text: str) -> str:
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, idna.IDNAError) as problem:
        raise ValueError(f"is not an e-mail address: {problem}") from None
    # the domain as A-labels, as in DNS: it is compared with such names
    return f"{found.local_part}@{found.ascii_domain}"


def _invoice_email(text: str) -> str:
    address = _email(text)
    if not address.isascii():
        raise ValueError("must have only ASCII characters before the @: Stripe sends invoices to no other address")
    return address


def _owner_email(text: str) -> str:
    """Return the address with its domain in A-labels, if Authentik takes it as a username and an e-mail address."""
    try:
        found = validate_email(
            text, check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        )
    except (EmailNotValidError, idna.IDNAError) as problem:
        raise ValueError(f"is not an e-mail address that an account can have: {problem}") from None
    address = found.ascii_email or ""
    if not ACCOUNT_DOMAIN.fullmatch(address.rpartition("@")[2]):
        raise ValueError("must have a domain with a dot whose last part has two characters or more")
    if len(address) > MAX_USERNAME_LENGTH:
        raise ValueError(f"must have at most {MAX_USERNAME_LENGTH} characters: it becomes the owner's username")
    return address


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def _country(text: str) -> str:
    found = pycountry.countries.get(alpha_2=text)  # it also accepts small letters
    if found is None or found.alpha_2 != text:
        raise ValueError("is not an ISO 3166-1 alpha-2 country code in capitals")
    return text


def _event_actions(text: str) -> str:
    if not EVENT_ACTIONS.fullmatch(text):
        raise ValueError("must be an event's action such as operation.failed, a kind such as tenant.*, or * for all")
    return text


def _moment(value: Any) -> Any:
    """Require RFC 3339 with an offset."""
    if not isinstance(value, str) or not _DAY.match(value):
        raise ValueError("must be a time as RFC 3339 writes it, such as 2030-01-31T00:00:00Z")
    return value


def _sensible(value: datetime) -> datetime:
    if not 2000 <= value.year <= 2200:
        raise ValueError("must lie between the years 2000 and 2200")
    return value.astimezone(UTC).replace(microsecond=value.microsecond // 1000 * 1000)


def _whole(value: Any) -> Any:
    """Accept 5.0 as 5: in JSON a number without a fraction is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(maximum: int, description: str, **schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": maximum, "description": description, **schema})


Country = Annotated[
    str,
    AfterValidator(_country),
    WithJsonSchema(
        {
            "type": "string",
            "description": "ISO 3166-1 alpha-2, in capitals",
            "enum": sorted(country.alpha_2 for country in pycountry.countries),
        }
    ),
]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200),
    AfterValidator(_plain),
    _text(200, "one line of text", pattern=rf"^[^{CONTROLS}]*$"),
]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_plain),
    _text(200, "one line of text, not blank", pattern=PRINTABLE, minLength=1),
]
Email = Annotated[
    str, StringConstraints(max_length=254), AfterValidator(_email), _text(254, "RFC 5321 address", format="email")
]
InvoiceEmail = Annotated[
    str,
    StringConstraints(max_length=254),
    AfterValidator(_invoice_email),
    _text(254, "RFC 5321 address with an ASCII local part", format="email"),
]
OwnerEmail = Annotated[
    str,
    StringConstraints(max_length=254),
    AfterValidator(_owner_email),
    _text(MAX_USERNAME_LENGTH, "RFC 5321 address with an ASCII local part: the owner's username", format="email"),
]
Slug = Annotated[
    str,
    AfterValidator(names.slug),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[a-z](-?[a-z0-9])+$",
            "minLength": 3,
            "maxLength": 32,
            "not": {"enum": sorted(names.RESERVED_SLUGS)},
            "description": "3 to 32 of a-z, 0-9 and single hyphens; not one of the platform's own names; never reused",
        }
    ),
]
DomainName = Annotated[
    str,
    AfterValidator(names.domain_name),
    _text(253, "a domain name (RFC 5891); kept as lower-case A-labels", format="idn-domain"),
]
ObjectIdText = Annotated[str, StringConstraints(pattern=OBJECT_ID)]
Subject = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$"),
    Field(description="the `sub` of the person's tokens"),
]
StripeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,255}$")]
Moment = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_moment),
    AfterValidator(_sensible),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "RFC 3339, from 2000 to 2200"}),
]
#: the full rule needs the settings: see AddressRule.validate_url
WebhookUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048),
    _text(2048, "an https URL of a public host", format="webhook-url"),
]
EventActions = Annotated[
    str,
    AfterValidator(_event_actions),
    WithJsonSchema({"type": "string", "pattern": EVENT_ACTIONS.pattern}),
    Field(examples=["tenant.*", "operation.failed", "*"]),
]
#: must follow the bounds of an integer, else the JSON Schema loses them
WHOLE = BeforeValidator(_whole)
