"""Serve Authentik's API of applications, policy bindings and the default-access flag."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.access import Access
from sandbox.simulators.authentik.api.guard import Route, seen, sees
from sandbox.simulators.authentik.api.responses import asked, json_body, page, refusal
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.records import Application, Binding, Token

APPLICATIONS, BINDINGS, SETTINGS = "/core/applications/", "/policies/bindings/", "/admin/settings/"


class ApplicationRoutes:
    """Views over the access rules."""

    def __init__(self, directory: Directory, access: Access) -> None:
        self._directory = directory
        self._access = access

    def table(self) -> list[Route]:
        one = APPLICATIONS + "{slug}/"
        return [
            ("GET", APPLICATIONS, None, self.list_applications),
            ("POST", APPLICATIONS, "add_application", self.create_application),
            ("GET", one, "view_application", self.get_application),
            ("PATCH", one, "change_application", self.patch_application),
            ("DELETE", one, "delete_application", self.delete_application),
            ("GET", one + "check_access/", "view_application", self.check_access),
            ("GET", BINDINGS, "view_policybinding", self.list_bindings),
            ("POST", BINDINGS, "add_policybinding", self.create_binding),
            ("GET", BINDINGS + "{pk}/", "view_policybinding", self.get_binding),
            ("DELETE", BINDINGS + "{pk}/", "delete_policybinding", self.delete_binding),
            ("GET", SETTINGS, "view_system_settings", self.get_settings),
            ("PATCH", SETTINGS, "edit_system_settings", self.patch_settings),
        ]

    async def list_applications(self, request: web.Request, token: Token) -> web.Response:
        """List the applications that the caller may use, or all if a superuser requests them."""
        caller = self._directory.users[token.user]
        everything = token.permissions is None and asked(request, "superuser_full_list")
        found = [one for one in self._access.applications.values() if everything or self._access.passes(caller, one)]
        return page(request, sorted(found, key=lambda one: one.name), asdict)

    async def create_application(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(asdict(self._access.add_application(await json_body(request))), status=201)

    async def get_application(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(asdict(self._application(request)))

    async def patch_application(self, request: web.Request, token: Token) -> web.Response:
        application = self._application(request)
        self._access.change_application(application, await json_body(request))
        return web.json_response(asdict(application))

    async def delete_application(self, request: web.Request, token: Token) -> web.Response:
        self._access.delete_application(self._application(request))
        return web.Response(status=204)

    async def check_access(self, request: web.Request, token: Token) -> web.Response:
        """Check the access of `for_user`; for anybody but a superuser, the caller's own access."""
        application, wanted = self._application(request), request.query.get("for_user")
        pk = int(wanted) if wanted and token.permissions is None and wanted.isdigit() else token.user
        user = self._directory.users.get(pk)
        if user is None:
            raise refusal(404, "No User matches the given query.")
        return web.json_response({"passing": self._access.passes(user, application), "messages": []})

    # -- bindings

    async def list_bindings(self, request: web.Request, token: Token) -> web.Response:
        bindings = seen(token, "view_policybinding", self._access.present_bindings())
        if "target" in request.query:
            bindings = [one for one in bindings if one.target == request.query["target"]]
        return page(request, sorted(bindings, key=lambda one: one.order), _response)

    async def create_binding(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(_response(self._access.add_binding(await json_body(request))), status=201)

    async def get_binding(self, request: web.Request, token: Token) -> web.Response:
        binding = self._binding(request)
        if not sees(token, "view_policybinding", binding):
            raise refusal(404, "No PolicyBinding matches the given query.")
        return web.json_response(_response(binding))

    async def delete_binding(self, request: web.Request, token: Token) -> web.Response:
        """Delete a binding. Without the last one the application is open to everybody."""
        del self._access.bindings[self._binding(request).pk]
        return web.Response(status=204)

    # -- settings

    async def get_settings(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response({"flags": self._access.flags})

    async def patch_settings(self, request: web.Request, token: Token) -> web.Response:
        """Replace all flags."""
        flags = (await json_body(request)).get("flags")
        if isinstance(flags, dict):
            self._access.flags = dict(flags)
        return web.json_response({"flags": self._access.flags})

    def _application(self, request: web.Request) -> Application:
        application = self._access.applications.get(request.match_info["slug"])
        if application is None:
            raise refusal(404, "No Application matches the given query.")
        return application

    def _binding(self, request: web.Request) -> Binding:
        binding = self._access.bindings.get(request.match_info["pk"])
        if binding is None:
            raise refusal(404, "No PolicyBinding matches the given query.")
        return binding


def _response(binding: Binding) -> dict[str, Any]:
    return asdict(binding)
