"""Refuse mail to a domain at SMTP time: a lookup key for each domain, and one rule that rewrites their recipients.

The rule sends recipients of a domain with a key to an address without permission to relay, so RCPT is refused with
`550 5.1.2 Relay not allowed.`. The rule is written once for the whole server, and only if it has no other rule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

from shared.integrations.outcomes import PermanentError
from worker.integrations.stalwart.protocol.answers import map_of, text_of
from worker.integrations.stalwart.protocol.batching import Object
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.protocol.server_facts import ServerFacts

NAMESPACE = "dezky-suspended"
BRANCH = {"if": f"key_exists('{NAMESPACE}', rcpt_domain)", "then": "'suspended@suspended.invalid'"}
RULE = {"match": {"0": BRANCH}, "else": "false"}
READING = frozenset({"sysMemoryLookupKeyGet", "sysMemoryLookupKeyQuery"})
#: permissions that are needed to reopen a domain
OPENING = READING | {"sysMemoryLookupKeyDestroy", "sysActionCreate", "actionReloadLookupStores"}
NEEDED = OPENING | {
    "sysMemoryLookupKeyCreate",
    "sysMtaStageRcptGet",
    "sysMtaStageRcptUpdate",
    "actionReloadSettings",
}


class RuleState(StrEnum):
    """`FOREIGN`: the server rewrites recipients by a rule that is not ours. `NOT_PERMITTED`: we may not use it."""

    OURS = "ours"
    UNSET = "unset"
    FOREIGN = "foreign"
    NOT_PERMITTED = "not permitted"


class RecipientRule:
    """The rule and the keys of one server."""

    def __init__(self, jmap: Jmap, facts: ServerFacts) -> None:
        self._jmap = jmap
        self._facts = facts

    def state(self) -> RuleState:
        if not self._facts.may(NEEDED):
            return RuleState.NOT_PERMITTED
        found = self._jmap.get_all("MtaStageRcpt", ["singleton"], ["id", "rewrite"])
        rewrite = map_of(found[0], "rewrite") if found else {}
        branches = _branches(rewrite.get("match"))
        if branches and branches[0] == BRANCH:
            return RuleState.OURS
        is_unset = not branches and str(rewrite.get("else", "false")).strip() in ("false", "")
        return RuleState.UNSET if is_unset else RuleState.FOREIGN

    def write(self) -> None:
        self._jmap.update("MtaStageRcpt", "singleton", {"rewrite": RULE})

    def keys(self) -> dict[str, list[str]]:
        """Return the ids of the keys by domain name; empty if we may not read them.

        Call `require_opening` first where a key may have been written.
        """
        if not self._facts.may(READING):
            return {}
        found: dict[str, list[str]] = {}
        for one in self._jmap.find_all("MemoryLookupKey", {"namespace": NAMESPACE}, ["id", "namespace", "key"]):
            if text_of(one, "namespace") == NAMESPACE:
                found.setdefault(text_of(one, "key"), []).append(one["id"])
        return found

    def add_key(self, name: str) -> None:
        self._jmap.create("MemoryLookupKey", {"namespace": NAMESPACE, "key": name})

    def may_open(self) -> bool:
        """Return whether our account may remove keys and reload the server, so that they no longer apply."""
        return self._facts.may(OPENING)

    def require_opening(self, names: Collection[str]) -> None:
        """Require that our account may remove the keys of names on record; we wrote them with the permissions.

        Raises PermanentError("missing_permission"), and names what is missing.
        """
        if not names or self.may_open():
            return
        missing = self._facts.missing(OPENING)
        if missing:
            raise PermanentError(
                "missing_permission",
                f"Mail to {', '.join(sorted(names))} stays refused until the account has {', '.join(missing)}.",
            )

    def remove_keys(self, ids: Iterable[str]) -> None:
        """Remove keys, and make the server load the change."""
        for id_ in ids:
            self._jmap.destroy("MemoryLookupKey", id_)
        self._act("ReloadLookupStores")

    def reload(self) -> None:
        """Make the server load the rule and the keys. Raises PermanentError when it cannot reload its settings."""
        self._act("ReloadSettings")
        self._act("ReloadLookupStores")

    def _act(self, kind: str) -> None:
        self._jmap.create("Action", {"@type": kind})


def _branches(match: Any) -> list[Object]:
    """Return the branches of an expression in their order; a list is an object whose keys are the indexes."""
    if isinstance(match, dict):
        places = sorted(match, key=lambda key: int(key) if key.isdecimal() else 0)
        match = [match[place] for place in places]
    return [one for one in match if isinstance(one, dict)] if isinstance(match, list) else []
