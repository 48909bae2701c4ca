"""Rights that the groups in a token grant, and the restriction of a record by a newer token."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from shared.accounts.user import PLATFORM, PlatformRole, Rights, User
from shared.config.settings import Settings
from shared.integrations.catalog import AUTHENTIK
from shared.rights.policy import Caller
from shared.tenants.repository import TenantRepository

_RANKS = {None: 0, PlatformRole.SUPPORT: 1, PlatformRole.ADMIN: 2}


class TokenGroups:
    """Map a token's groups to tenants and platform roles."""

    def __init__(self, *, tenants: TenantRepository, settings: Settings) -> None:
        self._tenants = tenants
        self._prefix = settings.oidc_tenant_group_prefix
        self._admins = settings.oidc_admin_group
        self._support = settings.oidc_support_group
        # without Authentik's API no group is on record, so the name alone decides
        self._only_own_groups = AUTHENTIK in settings.configured

    def tenant_ids(self, groups: Collection[str]) -> tuple[str, ...]:
        """Return the ids of the tenants, except deleted ones, whose groups are listed.

        Only tenants whose group is on record count, because anybody who may create groups can choose a tenant's name.
        """
        slugs = tuple(name.removeprefix(self._prefix) for name in groups if name.startswith(self._prefix))
        found = self._tenants.ids_of_slugs(slugs, with_group=self._only_own_groups) if slugs else ()
        return tuple(sorted(found))

    def platform_role(self, groups: Collection[str], known: PlatformRole | None) -> PlatformRole | None:
        """Return the platform role of these groups. Without a support group in the settings, `known` support stays."""
        if self._admins in groups:
            return PlatformRole.ADMIN
        if self._support is not None:
            return PlatformRole.SUPPORT if self._support in groups else None
        return PlatformRole.SUPPORT if known is PlatformRole.SUPPORT else None

    def restrict_by_token(self, user: User, caller: Caller) -> User:
        """Return the record for one request, without rights that a newer token no longer lists.

        Only a token newer than the last applied one restricts it. A token without the groups claim restricts nothing.
        """
        if caller.groups is None or not user.is_newest_token(caller.issued_at):
            return user
        listed = self._tenant_ids_after(user, caller) if user.tenant_ids else ()
        granted = self._platform_role_after(user, caller)
        platform_role = min(granted, user.platform_role, key=lambda one: _RANKS[one])
        return replace(user, rights=replace(user.rights.limited_to(listed), platform_role=platform_role))

    def rights_after(self, user: User, caller: Caller) -> Rights:
        """Return the record's rights after this token: the tenants and the platform role of its groups.

        What was granted by other means after the token was issued stays. A new tenant gives the role of a member. A
        tenant that the claim does not list loses its role. A token without the claim removes the tenants but keeps
        their roles for the time when they are listed again.
        """
        tenant_ids = self._tenant_ids_after(user, caller)
        roles = user.rights.roles
        if caller.groups is not None:
            roles = {one: role for one, role in roles.items() if one in tenant_ids}
        platform_role = self._platform_role_after(user, caller)
        return replace(user.rights, tenant_ids=tenant_ids, roles=roles, platform_role=platform_role)

    def _tenant_ids_after(self, user: User, caller: Caller) -> tuple[str, ...]:
        recent = {one for one in user.tenant_ids if user.was_granted_after(one, caller.issued_at)}
        return tuple(sorted(recent.union(self.tenant_ids(caller.groups or ()))))

    def _platform_role_after(self, user: User, caller: Caller) -> PlatformRole | None:
        listed = self.platform_role(caller.groups or (), user.platform_role)
        if user.was_granted_after(PLATFORM, caller.issued_at):
            return max(listed, user.platform_role, key=lambda one: _RANKS[one])
        return listed
