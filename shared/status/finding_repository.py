"""Problems that are not in operations: drift, degraded domains, failing webhooks, late purges. Each has an index."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from bson import ObjectId
from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.database import Database

from shared.accounts.scope import Scope
from shared.db.documents import Document, seconds_from_now, translate_errors
from shared.domains.repository import PROBLEM_STATES
from shared.integrations.catalog import INTEGRATIONS
from shared.status.model import EXAMPLES, Example, Finding, Group
from shared.status.problem_repository import TenantIds, in_scope
from shared.webhooks.repository import FAILING, scope_filter
from shared.workflows.model import INTEGRATION_OF_STEP

#: a purge is a problem when it has not started this many seconds after the end of the grace
STUCK_SECONDS = 3600.0


class FindingRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._tenants = database["tenants"]
        self._domains = database["domains"]
        self._webhooks = database["webhooks"]

    def drifted(self, tenant_ids: TenantIds) -> list[Group]:
        """Return tenants with drift, grouped by integration."""
        found = [self._drift_group(integration, _keys(tenant_ids)) for integration in INTEGRATIONS]
        return [group for group in found if group is not None]

    def domains(self, tenant_ids: TenantIds) -> list[Group]:
        """Return degraded domains, grouped by state."""
        found = []
        for state in PROBLEM_STATES:
            documents, count = _oldest(self._domains, {"state": state, **in_scope(tenant_ids)}, "since")
            examples = tuple(
                Example(document["tenantSlug"], document["since"], name=document["domain"]) for document in documents
            )
            found.append(_group(Finding.DEGRADED_DOMAIN, "stalwart", state, count, examples))
        return [group for group in found if group is not None]

    def webhooks(self, scope: Scope) -> list[Group]:
        """Return failing webhooks, and those disabled because of failures."""
        condition = {"$and": [FAILING, scope_filter(scope)]}
        documents, _ = _oldest(self._webhooks, condition, "failingSince", limit=None)
        by_reason: dict[str, list[Example]] = {}
        for document in documents:
            example = Example(
                document["tenantSlug"],
                document["failingSince"],
                name=_host(document["url"]),
                webhook=str(document["_id"]),
            )
            by_reason.setdefault(document["disabledReason"] or "failing", []).append(example)
        groups = [
            _group(Finding.FAILING_WEBHOOK, None, reason, len(all_), tuple(all_[:EXAMPLES]))
            for reason, all_ in by_reason.items()
        ]
        return [group for group in groups if group is not None]

    def waiting_purges(self, tenant_ids: TenantIds) -> Group | None:
        """Return deleted tenants whose grace ended STUCK_SECONDS ago and whose purge has not started."""
        condition = {
            "purgeAfter": {"$type": "date"},
            "$expr": {"$lte": ["$purgeAfter", seconds_from_now(-STUCK_SECONDS)]},
            **_keys(tenant_ids),
        }
        documents, count = _oldest(self._tenants, condition, "purgeAfter")
        examples = tuple(Example(document["slug"], document["purgeAfter"]) for document in documents)
        return _group(Finding.STUCK_PURGE, None, "not_begun", count, examples)

    def _drift_group(self, integration: str, scope: Document) -> Group | None:
        documents, count = _oldest(self._tenants, {"drifted": integration, **scope}, "drift.lookedAt")
        examples = tuple(_drift_example(one["slug"], one["drift"], integration) for one in documents)
        return _group(Finding.DRIFTED, integration, str(Finding.DRIFTED), count, examples)


def _oldest(
    collection: Collection[Document], condition: Document, order: str, limit: int | None = EXAMPLES
) -> tuple[Sequence[Document], int]:
    """Return the oldest documents, at most `limit`, and the number of all that match."""
    with translate_errors():
        found = list(collection.find(condition, {"secrets": 0}).sort(order, ASCENDING).limit(limit or 0))
        count = len(found) if limit is None or len(found) < limit else collection.count_documents(condition)
    return found, count


def _group(
    kind: Finding, integration: str | None, reason: str, count: int, examples: tuple[Example, ...]
) -> Group | None:
    return Group(kind, integration, reason, count, examples[0].since, examples) if count else None


def _keys(tenant_ids: TenantIds) -> Document:
    return {} if tenant_ids is None else {"_id": {"$in": [ObjectId(one) for one in tenant_ids]}}


def _drift_example(slug: str, drift: Document, integration: str) -> Example:
    """Return the example, since the integration's own check: the tenant's latest one may have left it out."""
    changes = {
        step: sentences
        for step, sentences in drift["changes"].items()
        if INTEGRATION_OF_STEP.get(step, step) == integration
    }
    earlier = [one["lookedAt"] for one in drift.get("notChecked") or () if one["step"] in changes]
    message = " ".join(str(sentence) for sentences in changes.values() for sentence in sentences)
    return Example(slug, min([drift["lookedAt"], *filter(None, earlier)]), message=message)


def _host(url: str) -> str:
    """Return the host of a webhook's URL. Path and query may contain a secret and are not shown."""
    return urlsplit(url).hostname or ""
