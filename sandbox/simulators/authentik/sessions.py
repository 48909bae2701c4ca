"""Who is signed in at Authentik with a browser, and whom its applications let in."""

from __future__ import annotations

from sandbox.simulators.authentik.access import Access
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc_claims import OidcClient
from sandbox.simulators.authentik.records import User


class Sessions:
    """`signed_in`: how many sessions each user has, by pk. Access tokens outlive them, refresh tokens do not."""

    def __init__(self, directory: Directory, access: Access) -> None:
        self._access = access
        self.signed_in: dict[int, int] = {}
        directory.on_sign_out.append(self._end)

    def clear(self) -> None:
        self.signed_in.clear()

    def may_use(self, user: User, client: OidcClient) -> bool:
        """An inactive user may nothing; everybody else what the application's bindings say."""
        application = self._access.applications.get(client.slug)
        return user.is_active and application is not None and self._access.passes(user, application)

    def sign_in(self, user: User, client: OidcClient) -> bool:
        """A person comes to an application with a browser; false, and no session, when access is denied."""
        if not self.may_use(user, client):
            return False
        self.signed_in[user.pk] = self.signed_in.get(user.pk, 0) + 1
        return True

    def _end(self, user: User) -> None:
        self.signed_in.pop(user.pk, None)
