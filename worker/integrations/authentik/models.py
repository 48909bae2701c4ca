"""Define Authentik's objects as the steps see them, and read them from its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.integrations.outcomes import TemporaryError

T = TypeVar("T")

#: the one key of a group's or user's attributes that is ours
OUR_KEY = "dezky"
MANAGER = "dezky-platform-api"


@dataclass(frozen=True)
class Group:
    """A group. `attributes` holds foreign keys too; ours is under OUR_KEY. `member_ids` are user numbers."""

    id: str
    name: str
    attributes: Mapping[str, Any]
    member_ids: frozenset[int] = frozenset()
    child_ids: frozenset[str] = frozenset()
    parent_ids: tuple[str, ...] = ()

    @property
    def tenant_id(self) -> str | None:
        """Return the tenant whose ownership marker the group carries, or None."""
        found = marker(self.attributes).get("tenantId")
        return found if isinstance(found, str) else None


@dataclass(frozen=True)
class Person:
    """A user. `subject` is the `sub` of their tokens in the default mode."""

    id: int
    username: str
    subject: str
    attributes: Mapping[str, Any]
    email: str = ""

    @property
    def owned_tenant_id(self) -> str | None:
        """Return the tenant for whose owner we made this account, or None for an account that we did not make."""
        found = marker(self.attributes).get("ownerOf")
        return found if isinstance(found, str) else None

    def is_made_for(self, address: str) -> bool:
        """Return whether we made the account for this address: its own may have been changed since.

        The markers of older accounts name no address; then the account's own decides.
        """
        found = marker(self.attributes).get("address")
        return found.lower() == address.lower() if isinstance(found, str) else self.signs_in_as(address)

    @property
    def invitations(self) -> int:
        """Return the number of invitations that an older version noted on this account."""
        ours = marker(self.attributes)
        sent = ours.get("invitations")
        return sent if isinstance(sent, int) else int(bool(ours.get("invited")))

    def signs_in_as(self, address: str) -> bool:
        """Return whether Authentik's sign-in page takes this address for the account: it ignores case."""
        return address.lower() in (self.username.lower(), self.email.lower())


@dataclass(frozen=True)
class Binding:
    """A binding: who may use a target, usually an application. A group, a user or a policy; policies are not read."""

    target: str
    group: str | None
    user: int | None
    enabled: bool
    negate: bool
    is_expiring: bool

    @property
    def admits_only_named(self) -> bool:
        """Return whether strangers stay out for good because of this binding. A policy may admit anybody."""
        is_lasting = self.enabled and not self.negate and not self.is_expiring
        return is_lasting and (self.group is not None or self.user is not None)


def marker(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return our part of an object's attributes, empty if there is none."""
    ours = attributes.get(OUR_KEY)
    return ours if isinstance(ours, dict) else {}


def without_marker(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key != OUR_KEY}


def read_group(body: Any) -> Group:
    try:
        return Group(
            id=str(body["pk"]),
            name=str(body["name"]),
            attributes=dict(body["attributes"] or {}),
            # without these lists, present members would count as removed
            member_ids=frozenset(_listed(body, "users", int)),
            child_ids=frozenset(_listed(body, "children", str)),
            parent_ids=tuple(_listed(body, "parents", str)),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise TemporaryError("unexpected_answer", "The answer is not a group.") from None


def _listed(body: Mapping[str, Any], field: str, kind: type[T]) -> list[T]:
    """Return a list of the body. Raises KeyError, TypeError."""
    found = body[field]
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        raise TypeError(field)
    return found


def read_person(body: Any) -> Person:
    try:
        return Person(
            id=int(body["pk"]),
            username=str(body["username"]),
            subject=str(body["uid"]),
            attributes=dict(body["attributes"] or {}),
            email=str(body.get("email") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise TemporaryError("unexpected_answer", "The answer is not a user.") from None


def read_own_id(body: Any) -> int:
    """Return the number of the user that `me` describes: by fewer fields than other calls, without attributes."""
    try:
        return int(body["user"]["pk"])
    except (KeyError, TypeError, ValueError):
        raise TemporaryError("unexpected_answer", "The answer does not name our user.") from None


def read_binding(body: Any) -> Binding:
    try:
        return Binding(
            target=str(body["target"]),
            group=str(body["group"]) if body.get("group") else None,
            user=int(body["user"]) if body.get("user") else None,
            enabled=bool(body.get("enabled", True)),
            negate=bool(body.get("negate", False)),
            # versions before 2026.8 have neither field
            is_expiring=bool(body.get("expires")) and bool(body.get("expiring", True)),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise TemporaryError("unexpected_answer", "The answer is not a binding.") from None
