"""Serve Authentik's API of OAuth2 providers, flows, key pairs and scope mappings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from sandbox.simulators.authentik.api.guard import Route
from sandbox.simulators.authentik.api.responses import json_body, page, refusal
from sandbox.simulators.authentik.oidc.clients import ScopeMapping
from sandbox.simulators.authentik.oidc.keys import KeyPairs
from sandbox.simulators.authentik.oidc.providers import FLOWS, Provider, Providers
from sandbox.simulators.authentik.records import Invalid, Token
from sandbox.simulators.authentik.user_fields import REQUIRED

PROVIDERS, MAPPINGS = "/providers/oauth2/", "/propertymappings/provider/scope/"
KEY_PAIRS, FLOW_INSTANCES = "/crypto/certificatekeypairs/", "/flows/instances/"


class ProviderRoutes:
    """Views over the providers."""

    def __init__(self, providers: Providers, key_pairs: KeyPairs) -> None:
        self._providers = providers
        self._key_pairs = key_pairs

    def table(self) -> list[Route]:
        one = PROVIDERS + "{pk:[0-9]+}/"
        return [
            ("GET", PROVIDERS, "view_oauth2provider", self.list_providers),
            ("POST", PROVIDERS, "add_oauth2provider", self.create_provider),
            ("GET", one, "view_oauth2provider", self.get_provider),
            ("PATCH", one, "change_oauth2provider", self.patch_provider),
            ("DELETE", one, "delete_oauth2provider", self.delete_provider),
            ("GET", MAPPINGS, "view_scopemapping", self.list_mappings),
            ("POST", MAPPINGS, "add_scopemapping", self.create_mapping),
            ("DELETE", MAPPINGS + "{pk}/", "delete_scopemapping", self.delete_mapping),
            ("GET", KEY_PAIRS, "view_certificatekeypair", self.list_key_pairs),
            ("POST", KEY_PAIRS + "generate/", "add_certificatekeypair", self.generate_key_pair),
            ("DELETE", KEY_PAIRS + "{pk}/", "delete_certificatekeypair", self.delete_key_pair),
            ("GET", FLOW_INSTANCES, "view_flow", self.list_flows),
        ]

    async def list_providers(self, request: web.Request, token: Token) -> web.Response:
        return page(request, list(self._providers.by_pk.values()), asdict)

    async def create_provider(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(asdict(self._providers.add(await json_body(request))), status=201)

    async def get_provider(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(asdict(self._provider(request)))

    async def patch_provider(self, request: web.Request, token: Token) -> web.Response:
        provider = self._provider(request)
        self._providers.change(provider, await json_body(request))
        return web.json_response(asdict(provider))

    async def delete_provider(self, request: web.Request, token: Token) -> web.Response:
        self._providers.delete(self._provider(request))
        return web.Response(status=204)

    async def list_mappings(self, request: web.Request, token: Token) -> web.Response:
        found = list(self._providers.mappings.values())
        for name in ("managed", "name", "scope_name"):
            wanted = request.query.getall(name, [])
            found = [one for one in found if not wanted or getattr(one, name) in wanted]
        return page(request, found, asdict)

    async def create_mapping(self, request: web.Request, token: Token) -> web.Response:
        return web.json_response(asdict(self._providers.add_mapping(await json_body(request))), status=201)

    async def delete_mapping(self, request: web.Request, token: Token) -> web.Response:
        found: ScopeMapping | None = self._providers.mappings.pop(request.match_info["pk"], None)
        if found is None:
            raise refusal(404, "No ScopeMapping matches the given query.")
        return web.Response(status=204)

    async def list_key_pairs(self, request: web.Request, token: Token) -> web.Response:
        wanted = request.query.get("name")
        found = [pair for pair in self._key_pairs.names.items() if wanted in (None, pair[1])]
        return page(request, found, _shown_pair)

    async def generate_key_pair(self, request: web.Request, token: Token) -> web.Response:
        body = await json_body(request)
        name = body.get("common_name")
        if not name:
            raise Invalid(common_name=REQUIRED)
        pk = self._key_pairs.add(str(name), str(body.get("alg", "rsa")))
        return web.json_response(_shown_pair((pk, str(name))))

    async def delete_key_pair(self, request: web.Request, token: Token) -> web.Response:
        if self._key_pairs.names.pop(request.match_info["pk"], None) is None:
            raise refusal(404, "No CertificateKeyPair matches the given query.")
        return web.Response(status=204)

    async def list_flows(self, request: web.Request, token: Token) -> web.Response:
        wanted = request.query.get("slug")
        found = [flow for flow in FLOWS.items() if wanted in (None, flow[0])]
        return page(request, found, lambda flow: {"pk": flow[1], "slug": flow[0], "name": flow[0]})

    def _provider(self, request: web.Request) -> Provider:
        found = self._providers.by_pk.get(int(request.match_info["pk"]))
        if found is None:
            raise refusal(404, "No OAuth2Provider matches the given query.")
        return found


def _shown_pair(pair: tuple[str, str]) -> dict[str, Any]:
    return {"pk": pair[0], "name": pair[1], "private_key_available": True}
