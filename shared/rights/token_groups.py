"""The groups in a token: which tenants and which platform role they stand for, and how they narrow a record."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from shared.accounts.user import PlatformRole, User
from shared.config.settings import Settings
from shared.integrations.catalog import AUTHENTIK
from shared.rights.policy import Caller
from shared.tenants.repository import TenantRepository

_RANKS = {None: 0, PlatformRole.SUPPORT: 1, PlatformRole.ADMIN: 2}


class TokenGroups:
    """Reads a token's groups by the settings and the tenants on record."""

    def __init__(self, *, tenants: TenantRepository, settings: Settings) -> None:
        self._tenants = tenants
        self._prefix = settings.oidc_tenant_group_prefix
        self._admins = settings.oidc_admin_group
        self._support = settings.oidc_support_group
        # where Authentik's API is not configured no group is ever on record, so the name has to do
        self._only_own_groups = AUTHENTIK in settings.configured

    def tenant_ids(self, groups: Collection[str]) -> tuple[str, ...]:
        """Ids of the living tenants that these groups belong to.

        Anybody who may make groups can name one after a tenant, so the tenant's own must be on record.
        """
        slugs = tuple(name.removeprefix(self._prefix) for name in groups if name.startswith(self._prefix))
        found = self._tenants.ids_of_slugs(slugs, with_group=self._only_own_groups) if slugs else ()
        return tuple(sorted(found))

    def platform_role(self, groups: Collection[str], known: PlatformRole | None) -> PlatformRole | None:
        """The platform role that these groups give. Without a support group, administrators give that role."""
        if self._admins in groups:
            return PlatformRole.ADMIN
        if self._support is not None:
            return PlatformRole.SUPPORT if self._support in groups else None
        return PlatformRole.SUPPORT if known is PlatformRole.SUPPORT else None

    def narrowed(self, user: User, caller: Caller) -> User:
        """The record for one request: a token that is newer than the last applied one takes away what it does not list.

        A token without the claim says nothing of groups, and so takes nothing away.
        """
        groups = caller.groups
        if groups is None or not user.is_older_than(caller.issued_at):
            return user
        said = self.platform_role(groups, user.platform_role)
        listed = self.tenant_ids(groups) if user.tenant_ids else ()
        rights = replace(
            user.rights.within(listed), platform_role=min(said, user.platform_role, key=lambda one: _RANKS[one])
        )
        return replace(user, rights=rights)
