"""What may be sent: JSON read strictly, then checked as a whole, so that all faults are told at once."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

import idna
import pycountry
from email_validator import EmailNotValidError, validate_email
from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from api.problems import Problem
from shared.domain import names
from shared.domain.errors import Flaw, InvalidInput
from shared.domain.tenant import Address, BillingInfo, NewTenant

LARGEST_BODY = 64 * 1024
DEEPEST = 20

Model = TypeVar("Model", bound=BaseModel)


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized
    except (EmailNotValidError, idna.IDNAError) as problem:
        raise ValueError(f"is not an e-mail address: {problem}") from None


def _plain(text: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError("must not contain control characters")
    return text


def _country(text: str) -> str:
    if pycountry.countries.get(alpha_2=text) is None:
        raise ValueError("is not an ISO 3166-1 alpha-2 country code in capitals")
    return text


Country = Annotated[str, AfterValidator(_country)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_plain)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_plain)]
ObjectIdText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email)]


class Body(BaseModel):
    """Field names are camel case outside; unknown ones are refused; nothing is coerced from another type."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class AddressBody(Body):
    line1: Line = ""
    line2: Line = ""
    city: Line = ""
    postal_code: Line = ""
    country: Country | None = None


class BillingInfoBody(Body):
    company: Line = ""
    vat_id: Line = ""
    email: Email | None = None
    address: AddressBody = AddressBody()

    def to_domain(self) -> BillingInfo:
        sent = self.address
        address = Address(sent.line1, sent.line2, sent.city, sent.postal_code, sent.country or "")
        return BillingInfo(self.company, self.vat_id, self.email or "", address)


class NewTenantBody(Body):
    """A tenant to be set up. Without a plan it gets the catalogue's first."""

    slug: Annotated[str, AfterValidator(names.slug)]
    name: Name
    plan: Annotated[str, StringConstraints(max_length=64)] | None = None
    domains: Annotated[list[Annotated[str, AfterValidator(names.domain_name)]], Field(max_length=100)] = []
    billing_info: BillingInfoBody | None = None
    partner_id: ObjectIdText | None = None

    def to_domain(self, default_plan: str) -> NewTenant:
        return NewTenant(
            slug=self.slug,
            name=self.name,
            plan=self.plan or default_plan,
            domains=tuple(dict.fromkeys(self.domains)),
            billing_info=self.billing_info.to_domain() if self.billing_info else None,
            partner_id=self.partner_id,
        )


def sent(model: type[Model]) -> Model:
    """The request's body as this model. Raises Problem (400, 413, 415) for what is not JSON, else InvalidInput."""
    given = _parsed(_raw())
    try:
        return model.model_validate(given)
    except ValidationError as problem:
        raise InvalidInput([_flaw(dict(error)) for error in problem.errors(include_url=False)]) from None


def _raw() -> bytes:
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "Send JSON, with Content-Type: application/json.")
    if (request.content_length or 0) > LARGEST_BODY:
        raise Problem(413, "body_too_large", "The body is larger than 64 KiB.")
    raw = request.stream.read(LARGEST_BODY + 1)
    if len(raw) > LARGEST_BODY:
        raise Problem(413, "body_too_large", "The body is larger than 64 KiB.")
    return raw


def _parsed(raw: bytes) -> Any:
    try:
        given = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        known = str(problem) if isinstance(problem, _Unacceptable) else "it cannot be parsed"
        raise Problem(400, "malformed_json", f"The body is not JSON as RFC 8259 has it: {known}.") from None
    _check_texts(given, 0)
    return given


class _Unacceptable(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unacceptable("a name is used twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise _Unacceptable(f"{name} is not a JSON value")


def _check_texts(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise Problem(400, "malformed_json", f"The body is nested deeper than {DEEPEST} levels.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check_texts(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_texts(inner, depth + 1)


def _check_text(text: str) -> None:
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise Problem(400, "malformed_json", "The body has a text with a NUL or half a surrogate pair.")


def _flaw(error: dict[str, Any]) -> Flaw:
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return Flaw(pointer, "is not a field of this record")
    if error["type"] == "missing":
        return Flaw(pointer, "is required")
    return Flaw(pointer, str(error["msg"]).removeprefix("Value error, "))
