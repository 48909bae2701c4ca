"""Serve Authentik's API of invitations and of the e-mail stages that send them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.api.guard import Route
from sandbox.simulators.authentik.api.responses import json_body, origin, page, refusal
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.invitations import Invitations
from sandbox.simulators.authentik.records import Invalid, Invitation, Token

INVITATIONS = "/stages/invitation/invitations/"
#: filter: the field that it compares, and the key inside it
FILTERS = {
    "name": ("name", None),
    "expires": ("expires", None),
    "flow__slug": ("flow_obj", "slug"),
    "created_by__username": ("created_by", "username"),
}


class InvitationRoutes:
    """Views over the invitations."""

    def __init__(self, directory: Directory, invitations: Invitations) -> None:
        self._directory = directory
        self._invitations = invitations

    def table(self) -> list[Route]:
        one = INVITATIONS + "{pk}/"
        return [
            ("GET", INVITATIONS, "view_invitation", self.list_invitations),
            ("POST", INVITATIONS, "add_invitation", self.create_invitation),
            ("GET", one, "view_invitation", self.get_invitation),
            ("DELETE", one, "delete_invitation", self.delete_invitation),
            ("POST", one + "send_email/", "view_invitation", self.send_email),
            ("GET", "/stages/email/", "view_emailstage", self.list_email_stages),
        ]

    async def list_invitations(self, request: web.Request, token: Token) -> web.Response:
        found = [self._response(one) for one in self._invitations.invitations.values()]
        for option, (field, inner) in FILTERS.items():
            if option in request.query:
                found = [one for one in found if _inside(one[field], inner) == request.query[option]]
        return page(request, found, dict)

    async def create_invitation(self, request: web.Request, token: Token) -> web.Response:
        made = self._invitations.invite(await json_body(request), token.user)
        return web.json_response(self._response(made), status=201)

    async def get_invitation(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(self._response(self._invitation(request)))

    async def delete_invitation(self, request: web.Request, token: Token) -> web.Response:
        del self._invitations.invitations[self._invitation(request).pk]
        return web.Response(status=204)

    async def send_email(self, request: web.Request, token: Token) -> web.Response:
        """Queue the mails. A 204 does not mean that one was sent."""
        invitation, body = self._invitation(request), await json_body(request)
        if not body.get("email_addresses"):
            raise Invalid(error="No email addresses provided")
        if invitation.flow is None:
            raise Invalid(error="Invitation has no associated flow")
        copies = [*body.get("cc_addresses", []), *body.get("bcc_addresses", [])]
        self._invitations.send_invitation(invitation, [*body["email_addresses"], *copies], origin(request))
        return web.Response(status=204)

    async def list_email_stages(self, request: web.Request, token: Token) -> web.Response:
        wanted = request.query.get("name")
        stages = self._invitations.email_stages.items()
        return page(
            request, [one for one in stages if wanted in (None, one[1])], lambda one: dict(pk=one[0], name=one[1])
        )

    def _invitation(self, request: web.Request) -> Invitation:
        found = self._invitations.invitations.get(request.match_info["pk"])
        if found is None:
            raise refusal(404, "No Invitation matches the given query.")
        return found

    def _response(self, invitation: Invitation) -> dict[str, Any]:
        creator = self._directory.users.get(invitation.created_by)
        flow = invitation.flow
        return {
            "pk": invitation.pk,
            "name": invitation.name,
            "expires": invitation.expires.isoformat().replace("+00:00", "Z"),
            "fixed_data": invitation.fixed_data,
            "created_by": {"pk": creator.pk, "username": creator.username} if creator else None,
            "single_use": invitation.single_use,
            "flow": flow,
            "flow_obj": {"pk": flow, "slug": self._invitations.flows[flow]} if flow else None,
        }


def _inside(value: Any, key: str | None) -> Any:
    return value if key is None else (value or {}).get(key)
