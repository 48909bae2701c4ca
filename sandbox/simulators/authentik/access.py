"""Access rules of applications. An application without enabled bindings is open to everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.records import Application, Binding, Group, Invalid, User
from sandbox.simulators.authentik.user_fields import REQUIRED, SLUG
from sandbox.simulators.clock import Clock

RESERVED_SLUGS = frozenset({"authorize", "token", "device", "userinfo", "introspect", "revoke"})
EXISTS = "Application with this {} already exists."
#: the name of the default-access flag in the installation's settings
OPEN_BY_DEFAULT = "core_default_app_access"
_APPLICATION_FIELDS = frozenset(one.name for one in fields(Application)) - {"pk"}
_BINDING_FIELDS = frozenset(one.name for one in fields(Binding)) - {"pk"}


class Access:
    """Every method is one transaction and may raise Invalid."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self.applications: dict[str, Application] = {}
        self.bindings: dict[str, Binding] = {}  # read `present_bindings`: some may have expired
        self.providers: set[int] = set()
        #: policies by pk, each with its constant result
        self.policies: dict[str, bool] = {}
        self.flags: dict[str, bool] = {OPEN_BY_DEFAULT: True}
        #: called when an application was added, changed or deleted
        self.on_change: list[Callable[[], None]] = []
        directory.on_delete.append(self._unbind)

    def clear(self) -> None:
        self.applications.clear()
        self.bindings.clear()
        self.providers.clear()
        self.policies.clear()
        self.flags = {OPEN_BY_DEFAULT: True}

    # -- applications

    def add_application(self, body: dict[str, Any]) -> Application:
        for name in ("name", "slug"):
            if not body.get(name):
                raise Invalid(**{name: REQUIRED})
        application = Application(**self._check(body, None))
        self.applications[application.slug] = application
        self._notify()
        return application

    def change_application(self, application: Application, body: dict[str, Any]) -> None:
        given = self._check(body, application)
        del self.applications[application.slug]
        for name, value in given.items():
            setattr(application, name, value)
        self.applications[application.slug] = application
        self._notify()

    def delete_application(self, application: Application) -> None:
        """Delete it with its bindings; its provider stays."""
        del self.applications[application.slug]
        for binding in self.bindings_of(application):
            del self.bindings[binding.pk]
        self._notify()

    def _notify(self) -> None:
        for notify in self.on_change:
            notify()

    # -- bindings

    def add_binding(self, body: dict[str, Any]) -> Binding:
        """Add a binding. The same one twice is accepted."""
        for name in ("target", "order"):
            if body.get(name) is None:
                raise Invalid(**{name: REQUIRED})
        given = [name for name in ("policy", "group", "user") if body.get(name) is not None]
        if len(given) != 1:
            raise Invalid(non_field_errors=["One of 'policy', 'group' or 'user' must be set."])
        known: dict[str, Any] = {
            "group": self._directory.groups,
            "user": self._directory.users,
            "policy": self.policies,
        }
        targets = {application.pk for application in self.applications.values()}
        for name, held in (("target", targets), (given[0], known[given[0]])):
            if body[name] not in held:
                raise Invalid(**{name: [f'Invalid pk "{body[name]}" - object does not exist.']})
        binding = Binding(**{name: value for name, value in body.items() if name in _BINDING_FIELDS})
        self.bindings[binding.pk] = binding
        return binding

    def present_bindings(self) -> list[Binding]:
        """Return the bindings, after those that have expired were deleted."""
        now = self._clock.now()
        for binding in list(self.bindings.values()):
            if binding.expiring and binding.expires and datetime.fromisoformat(binding.expires) <= now:
                del self.bindings[binding.pk]
        return list(self.bindings.values())

    def bindings_of(self, application: Application) -> list[Binding]:
        found = [binding for binding in self.present_bindings() if binding.target == application.pk]
        return sorted(found, key=lambda binding: binding.order)

    def passes(self, user: User, application: Application) -> bool:
        """Return whether a user may use an application. Disabled bindings do not count."""
        enabled = [binding for binding in self.bindings_of(application) if binding.enabled]
        if not enabled:
            return self.flags.get(OPEN_BY_DEFAULT, True)
        groups = self._directory.all_groups_of(user)
        results = [self._admits(one, user, groups) != one.negate for one in enabled]
        return all(results) if application.policy_engine_mode == "all" else any(results)

    def _admits(self, binding: Binding, user: User, groups: Mapping[str, Group]) -> bool:
        if binding.policy is not None:
            return self.policies[binding.policy]
        return binding.user == user.pk or binding.group in groups

    def _unbind(self, pk: str | int) -> None:
        for binding in list(self.bindings.values()):
            if pk in (binding.group, binding.user):
                del self.bindings[binding.pk]

    def _check(self, body: dict[str, Any], own: Application | None) -> dict[str, Any]:
        given = {name: value for name, value in body.items() if name in _APPLICATION_FIELDS}
        slug, provider = given.get("slug"), given.get("provider")
        if slug is not None and (slug in RESERVED_SLUGS or not SLUG.fullmatch(str(slug))):
            raise Invalid(slug=["Enter a valid slug."])
        if slug is not None and self.applications.get(slug) not in (None, own):
            raise Invalid(slug=[EXISTS.format("slug")])
        if provider is not None and provider not in self.providers:
            raise Invalid(provider=[f'Invalid pk "{provider}" - object does not exist.'])
        for other in self.applications.values():
            if provider is not None and other is not own and other.provider == provider:
                raise Invalid(provider=[EXISTS.format("provider")])
        if given.get("policy_engine_mode", "any") not in ("any", "all"):
            raise Invalid(policy_engine_mode=[f'"{given["policy_engine_mode"]}" is not a valid choice.'])
        return given
