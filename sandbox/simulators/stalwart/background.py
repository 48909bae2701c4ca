"""What Stalwart does by itself: the task that makes DKIM keys, reloading directories, and rules from settings."""

from __future__ import annotations

from sandbox.simulators.stalwart.keys import new_signature
from sandbox.simulators.stalwart.properties import Object, SetError
from sandbox.simulators.stalwart.registry import Registry


class Background:
    """`licensed_accounts`: how many a licence allows, None without a limit. `recovery`: no task ever runs."""

    def __init__(self, registry: Registry, edition: str, licensed_accounts: int | None) -> None:
        self._registry = registry
        self.edition = edition
        self.licensed_accounts = licensed_accounts
        self.recovery = False
        #: directories the server has loaded; a new one is only stored until it is told to reload
        self._live: set[str] = set()
        registry.rules += [self._check_licence, self._check_directory]

    def created(self, kind: str, one: Object) -> None:
        """What the server does after a create."""
        if kind == "Domain" and one["dkimManagement"]["@type"] == "Automatic":
            self._registry.create("Task", {"@type": "DkimManagement", "domainId": one["id"]})
        if kind == "Action" and one["@type"] == "ReloadSettings":
            self._live = set(self._registry.objects["Directory"])

    def run_tasks(self) -> int:
        """Run every pending task once, as the server's task manager does; the number that ran."""
        held = self._registry.objects["Task"].values()
        tasks = [] if self.recovery else [task for task in held if task["status"]["@type"] == "Pending"]
        for task in tasks:
            self._run(task)
        return len(tasks)

    def signatures(self, domain: Object) -> list[Object]:
        held = self._registry.objects["DkimSignature"].values()
        return [one for one in held if one["domainId"] == domain["id"]]

    def _run(self, task: Object) -> None:
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

    def _check_licence(self, kind: str, one: Object) -> None:
        limit, accounts = self.licensed_accounts, self._registry.objects["Account"].values()
        if kind != "Account" or "id" in one or one["@type"] != "User" or limit is None or self.edition != "enterprise":
            return
        if sum(account["@type"] == "User" for account in accounts) >= limit:
            reason = f"Enterprise licensed account limit reached: {limit} accounts licensed."
            raise SetError("forbidden", description=reason)

    def _check_directory(self, kind: str, one: Object) -> None:
        """Where an outside directory knows the passwords, none is kept here."""
        if kind != "Account" or not one.get("credentials"):
            return
        domain = self._registry.objects["Domain"][one["domainId"]]
        licensed = domain["directoryId"] if self.edition == "enterprise" else None
        if (licensed or self._registry.singleton("Authentication")["directoryId"]) in self._live:
            raise SetError("forbidden", description="The domain has an external directory.")
