"""Stalwart's background work: create DKIM keys, run actions, and apply rules from settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.simulators.stalwart.mail.dkim_keys import new_signature
from sandbox.simulators.stalwart.objects.properties import Object, SetError
from sandbox.simulators.stalwart.objects.registry import Registry


class Background:
    """Tasks, actions and rules. `actions`: action type to its reload function, in addition to directories."""

    def __init__(self, registry: Registry, licensed_accounts: int | None) -> None:
        """`licensed_accounts`: limit of accounts by the licence, None without one."""
        self._registry = registry
        self.licensed_accounts = licensed_accounts
        self.actions: Mapping[str, list[Callable[[], Any]]] = {}
        #: in recovery mode no task ever runs
        self.recovery = False
        #: an invalid object in the settings, which makes every reload of settings fail
        self.broken_setting: str | None = None
        #: directories that the server has loaded; a new one is inactive until a reload
        self._live: set[str] = set()
        registry.rules += [self._check_licence, self._check_directory, self._check_action]

    def created(self, kind: str, one: Object) -> None:
        """Run the server's follow-up of a create."""
        if kind == "Domain" and one["dkimManagement"]["@type"] == "Automatic":
            self._registry.create("Task", {"@type": "DkimManagement", "domainId": one["id"]})
        if kind != "Action":
            return
        if one["@type"] == "ReloadSettings":
            self._live = set(self._registry.objects["Directory"])
        for act in self.actions.get(one["@type"], ()):
            act()

    def run_tasks(self) -> int:
        """Run every pending task once, as the server's task manager does; returns how many ran."""
        held = self._registry.objects["Task"].values()
        tasks = [] if self.recovery else [task for task in held if task["status"]["@type"] == "Pending"]
        for task in tasks:
            if task["@type"] == "TenantMaintenance":
                self._count_again(task)
            else:
                self._make_keys(task)
        return len(tasks)

    def signatures(self, domain: Object) -> list[Object]:
        held = self._registry.objects["DkimSignature"].values()
        return [one for one in held if one["domainId"] == domain["id"]]

    def _count_again(self, task: Object) -> None:
        """Set the bytes of a tenant to those of its accounts; the build without enterprise features counts none."""
        tenant = self._registry.objects["Tenant"].get(task["tenantId"])
        if tenant is not None and self._registry.edition != "oss":
            held = self._registry.objects["Account"].values()
            tenant["usedDiskQuota"] = sum(one["usedDiskQuota"] for one in held if one["memberTenantId"] == tenant["id"])
        self._registry.destroy("Task", task["id"])

    def _make_keys(self, task: Object) -> None:
        domain = self._registry.objects["Domain"].get(task["domainId"])
        if domain is None or domain["dkimManagement"]["@type"] != "Automatic":
            failure = {"failureReason": "Domain is not managed.", "failedAt": "2026-01-01T00:00:00Z"}
            task["status"] = {"@type": "Failed", **failure}
            return
        active = {one["@type"] for one in self.signatures(domain) if one["stage"] == "active"}
        for algorithm in domain["dkimManagement"]["algorithms"]:
            if algorithm not in active:
                slot = len(self._registry.objects["DkimSignature"])
                self._registry.create("DkimSignature", new_signature(algorithm, domain, slot))
        self._registry.destroy("Task", task["id"])

    def _check_action(self, kind: str, one: Object) -> None:
        """Refuse a reload of invalid settings, and name the invalid object."""
        if kind == "Action" and one["@type"] == "ReloadSettings" and self.broken_setting is not None:
            errors = [{"type": "Invalid", "property": "host", "value": "Failed to resolve the host."}]
            holder = {"object": self.broken_setting, "id": "singleton"}
            raise SetError("validationFailed", objectId=holder, validationErrors=errors)

    def _check_licence(self, kind: str, one: Object) -> None:
        limit, accounts = self.licensed_accounts, self._registry.objects["Account"].values()
        is_licensed = self._registry.edition == "enterprise"
        if kind != "Account" or "id" in one or one["@type"] != "User" or limit is None or not is_licensed:
            return
        if sum(account["@type"] == "User" for account in accounts) >= limit:
            reason = f"Enterprise licensed account limit reached: {limit} accounts licensed."
            raise SetError("forbidden", description=reason)

    def _check_directory(self, kind: str, one: Object) -> None:
        """Refuse passwords of accounts whose passwords are in an external directory."""
        if kind != "Account" or not one.get("credentials"):
            return
        domain = self._registry.objects["Domain"][one["domainId"]]
        licensed = domain["directoryId"] if self._registry.edition == "enterprise" else None
        if (licensed or self._registry.singleton("Authentication")["directoryId"]) in self._live:
            raise SetError("forbidden", description="The domain has an external directory.")
