"""Serve Authentik's API of users: create, change, deactivate, invite to recover."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.api.guard import Route, may, seen, sees
from sandbox.simulators.authentik.api.responses import (
    asked,
    attribute_filter,
    attributes_match,
    json_body,
    masked_405,
    origin,
    page,
    refusal,
    shown_self,
    shown_user,
)
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.invitations import Invitations
from sandbox.simulators.authentik.records import Invalid, Token, User
from sandbox.simulators.authentik.tokens import Tokens
from sandbox.simulators.authentik.user_fields import REQUIRED
from sandbox.simulators.faults import FaultPlan

USERS = "/core/users/"
#: filters that compare one field exactly, case included
EXACT = ("username", "email", "uuid", "path", "type")


class UserRoutes:
    """Views over a directory."""

    def __init__(self, directory: Directory, invitations: Invitations, tokens: Tokens, faults: FaultPlan) -> None:
        self._directory = directory
        self._invitations = invitations
        self._tokens = tokens
        self._faults = faults

    def table(self) -> list[Route]:
        one = USERS + "{pk:[0-9]+}/"
        return [
            ("GET", USERS, "view_user", self.list_users),
            ("POST", USERS, "add_user", self.create_user),
            ("GET", USERS + "me/", None, self.me),
            ("POST", USERS + "service_account/", "add_user", self.create_service_account),
            ("GET", one, "view_user", self.get_user),
            ("PATCH", one, "change_user", self.patch_user),
            ("PUT", one, "change_user", self.put_user),
            ("DELETE", one, "delete_user", self.delete_user),
            ("POST", one + "set_password/", "reset_user_password", self.set_password),
            ("POST", one + "recovery/", "reset_user_password", self.recovery),
            ("POST", one + "recovery_email/", "reset_user_password", self.recovery_email),
        ]

    async def list_users(self, request: web.Request, token: Token) -> web.Response:
        query = request.query
        users: Iterable[User] = seen(token, "view_user", self._directory.users.values())
        if "username" in query:
            found = self._directory.users_by_name.get(query["username"])
            users = [found] if found and sees(token, "view_user", found) else []
        for name in EXACT:
            if name in query:
                users = [user for user in users if getattr(user, name) == query[name]]
        if "search" in query:
            wanted_text = query["search"].lower()
            users = [user for user in users if wanted_text in f"{user.username}\n{user.name}\n{user.email}".lower()]
        if "path_startswith" in query:
            users = [user for user in users if user.path.startswith(query["path_startswith"])]
        if "is_active" in query:
            users = [user for user in users if user.is_active == (query["is_active"].lower() == "true")]
        if "attributes" in query:
            wanted = attribute_filter(query["attributes"])
            users = [user for user in users if attributes_match(user.attributes, wanted)]
        users = self._in_groups(request, users)
        return page(request, list(users), lambda user: self._response(user, request))

    async def create_user(self, request: web.Request, token: Token) -> web.Response:
        body = await json_body(request)
        if "username" in body and "name" not in body:
            raise Invalid(name=REQUIRED)
        if self._faults.inject(["race_lost"], "POST", request.path_qs) is not None:
            self._directory.add_user({"username": body.get("username")})
            return masked_405()
        return web.json_response(self._response(self._directory.add_user(body), request), status=201)

    async def create_service_account(self, request: web.Request, token: Token) -> web.Response:
        """Create a service account. The token in the response is an app password, not an API token."""
        body = await json_body(request)
        if not may(token, "add_token"):
            raise refusal(403, "You do not have permission to perform this action.")
        name = str(body.get("name") or "")
        if not name:
            raise Invalid(name=REQUIRED)
        user = self._directory.add_user({"username": name, "name": name, "type": "service_account"})
        made = self._tokens.add(Token(f"service-account-{name}-password", user.pk, "app_password"))
        response: dict[str, Any] = {"username": name, "token": made.key, "user_uid": user.uid, "user_pk": user.pk}
        if body.get("create_group"):
            response["group_pk"] = self._directory.add_group({"name": name, "users": [user.pk]}).pk
        return web.json_response(response)

    async def get_user(self, request: web.Request, token: Token) -> web.Response:
        user = self._user(request)
        if not sees(token, "view_user", user):
            raise refusal(404, "No User matches the given query.")
        return web.json_response(self._response(user, request))

    async def patch_user(self, request: web.Request, token: Token) -> web.Response:
        return await self._change(request, whole=False)

    async def put_user(self, request: web.Request, token: Token) -> web.Response:
        return await self._change(request, whole=True)

    async def delete_user(self, request: web.Request, token: Token) -> web.Response:
        self._directory.delete_user(self._user(request))
        return web.Response(status=204)

    async def me(self, request: web.Request, token: Token) -> web.Response:
        """Describe the caller by fewer fields than the other calls do, without its attributes."""
        user = self._directory.users[token.user]
        groups = [{"name": group.name, "pk": group.pk} for group in self._directory.groups_of(user)]
        powers = {"is_superuser": self._directory.is_superuser(user), "groups": groups, "roles": []}
        return web.json_response({"user": shown_self(user) | powers})

    async def set_password(self, request: web.Request, token: Token) -> web.Response:
        user = self._user(request)
        password = (await json_body(request)).get("password")
        if not password:
            raise Invalid(password=REQUIRED)
        user.password = str(password)
        return web.Response(status=204)

    async def recovery(self, request: web.Request, token: Token) -> web.Response:
        self._invitations.require_recovery_flow()  # checked before the user is read
        user, body = self._user(request), await json_body(request)
        link = self._invitations.recovery_link(user, origin(request), body.get("token_duration"))
        return web.json_response({"link": link})

    async def recovery_email(self, request: web.Request, token: Token) -> web.Response:
        body, user = await json_body(request), self._user(request)
        sees_stages = may(token, "view_emailstage")
        self._invitations.send_recovery(user, origin(request), body, sees_stages=sees_stages)
        return web.Response(status=204)

    async def _change(self, request: web.Request, *, whole: bool) -> web.Response:
        user = self._user(request)
        self._directory.change_user(user, await json_body(request), whole=whole)
        return web.json_response(self._response(user, request))

    def _user(self, request: web.Request) -> User:
        user = self._directory.users.get(int(request.match_info["pk"]))
        if user is None:
            raise refusal(404, "No User matches the given query.")
        return user

    def _in_groups(self, request: web.Request, users: Iterable[User]) -> Iterable[User]:
        held = {"groups_by_name": self._directory.groups_by_name, "groups_by_pk": self._directory.groups}
        for option, known in held.items():
            for wanted in request.query.getall(option, []):
                if wanted not in known:
                    raise Invalid(**{option: [f"Select a valid choice. {wanted} is not one of the available choices."]})
            if option in request.query:
                members = set().union(*(known[wanted].users for wanted in request.query.getall(option)))
                users = [user for user in users if user.pk in members]
        return users

    def _response(self, user: User, request: web.Request) -> dict[str, Any]:
        groups = self._directory.groups_of(user)
        brief = [{"pk": group.pk, "name": group.name, "is_superuser": group.is_superuser} for group in groups]
        return shown_user(user) | {
            "is_superuser": self._directory.is_superuser(user),
            "groups": [group.pk for group in groups],
            "groups_obj": brief if asked(request, "include_groups", default=True) else None,
            "roles": [],
            "roles_obj": [] if asked(request, "include_roles", default=True) else None,
        }
