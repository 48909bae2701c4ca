"""Keep recovery links, recovery mails and invitations. Mail is recorded, never sent."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from typing import Any

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.records import Invalid, Invitation, Mail, RecoveryToken, ServerFault, User, new_id
from sandbox.simulators.authentik.user_fields import REQUIRED, SLUG
from sandbox.simulators.clock import Clock

#: lifetime of recovery links and invitations, unless the installation's settings change it
DEFAULT_LIFETIME = timedelta(minutes=30)
NO_FLOW = "No recovery flow set."
_UNITS = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds")
_PART = re.compile(rf"({'|'.join(_UNITS)})=(\d+)")


class Invitations:
    """Recovery and invitations. `recovery_flow` is the slug of the brand's flow; a fresh install has none.

    `flows` and `email_stages` map the id of what an operator configured to its slug.
    """

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self.recovery_flow: str | None = None
        self.flows: dict[str, str] = {}
        self.email_stages: dict[str, str] = {}
        self.invitations: dict[str, Invitation] = {}
        self.recovery: dict[int, RecoveryToken] = {}
        self.mails: list[Mail] = []
        directory.on_delete.append(self._forget)

    def clear(self) -> None:
        self.recovery_flow = None
        for held in (self.flows, self.email_stages, self.invitations, self.recovery):
            held.clear()
        self.mails.clear()

    # -- configuration by an operator

    def set_recovery_flow(self, slug: str | None = "default-recovery-flow") -> None:
        self.recovery_flow = slug

    def add_flow(self, slug: str) -> str:
        """Add an enrolment flow with an invitation stage, and return its id."""
        return _add(self.flows, slug)

    def add_email_stage(self, name: str = "recovery-email") -> str:
        return _add(self.email_stages, name)

    # -- recovery

    def require_recovery_flow(self) -> None:
        if self.recovery_flow is None:
            raise Invalid(non_field_errors=NO_FLOW)

    def recovery_link(self, user: User, origin: str, duration: Any) -> str:
        """Return the user's link with a new expiry. A malformed duration is a server error."""
        self.require_recovery_flow()
        end = self._clock.now() + _duration(duration)
        token = self.recovery.setdefault(user.pk, RecoveryToken(secrets.token_urlsafe(45), end))
        token.expires = end
        return f"{origin}/if/flow/{self.recovery_flow}/?flow_token={token.key}"

    def send_recovery(self, user: User, origin: str, body: dict[str, Any], *, sees_stages: bool) -> None:
        """Queue a recovery mail. `sees_stages`: the caller has the permission view_emailstage."""
        if not body.get("email_stage"):
            raise Invalid(email_stage=REQUIRED)
        if not user.email:
            raise Invalid(non_field_errors="User does not have an email address set.")
        if body["email_stage"] not in self.email_stages or not sees_stages:
            raise Invalid(non_field_errors="Email stage not found.")
        link = self.recovery_link(user, origin, body.get("token_duration"))
        self.mails.append(Mail(user.email, "recovery", link))

    # -- invitations

    def invite(self, body: dict[str, Any], created_by: int) -> Invitation:
        """Create an invitation. Names are not unique, so a repeated request creates a second one."""
        name, flow, data = str(body.get("name") or ""), body.get("flow"), body.get("fixed_data") or {}
        if not name:
            raise Invalid(name=REQUIRED)
        if not SLUG.fullmatch(name):
            raise Invalid(name=["Enter a valid slug."])
        if flow is not None and flow not in self.flows:
            raise Invalid(flow=[f'Invalid pk "{flow}" - object does not exist.'])
        if not isinstance(data, dict):
            raise Invalid(fixed_data=["Value must be a dictionary, and not have any duplicate keys."])
        given = body.get("expires")
        expires = self._clock.now() + DEFAULT_LIFETIME if given is None else _time(given)
        invitation = Invitation(name, expires, created_by, data, bool(body.get("single_use", False)), flow)
        self.invitations[invitation.pk] = invitation
        return invitation

    def send_invitation(self, invitation: Invitation, addresses: list[str], origin: str) -> None:
        slug = self.flows[str(invitation.flow)]
        link = f"{origin}/if/flow/{slug}/?itoken={invitation.pk}"
        self.mails += [Mail(address, "invitation", link) for address in addresses]

    def accept(self, itoken: str, username: str, email: str | None = None, name: str | None = None) -> int | None:
        """Enrol as a person does at the link. Return the user's pk, or None when access is denied.

        Fixed data only provides defaults for the form, so the person's own answers take precedence; groups are ignored.
        """
        invitation = self.invitations.get(itoken)
        if invitation is None or invitation.flow is None or invitation.expires <= self._clock.now():
            return None
        data = invitation.fixed_data
        body = {"username": username, "email": email or data.get("email", ""), "name": name or data.get("name", "")}
        user = self._directory.add_user({**body, "attributes": _attributes(data)})
        user.password = secrets.token_urlsafe(16)
        if invitation.single_use:
            del self.invitations[itoken]
        return user.pk

    def _forget(self, pk: str | int) -> None:
        if isinstance(pk, int):
            self.recovery.pop(pk, None)


def _add(held: dict[str, str], name: str) -> str:
    pk = new_id()
    held[pk] = name
    return pk


def seconds_of(text: str) -> float:
    """Return a duration such as `minutes=10` in seconds."""
    return _duration(text).total_seconds()


def _duration(given: Any) -> timedelta:
    if given in (None, ""):
        return DEFAULT_LIFETIME
    parts = [_PART.fullmatch(part.strip()) for part in str(given).split(";") if part.strip()]
    if not all(parts):
        raise ServerFault
    return sum((timedelta(**{part[1]: int(part[2])}) for part in parts if part), timedelta())


def _time(given: Any) -> datetime:
    try:
        time = datetime.fromisoformat(str(given))
    except ValueError:
        raise Invalid(expires=["Datetime has wrong format."]) from None
    if time.tzinfo is None:
        raise Invalid(expires=["Datetime has wrong format."])
    return time


def _attributes(data: dict[str, Any]) -> dict[str, Any]:
    """Return the keys `attributes.a.b` of fixed data as a nested object."""
    made: dict[str, Any] = {}
    for path, value in data.items():
        first, *middle, last = path.split(".") if "." in path else ("", path)
        if first != "attributes":
            continue
        inner = made
        for key in middle:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return made
