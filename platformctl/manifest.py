"""Declared tenants and partners: read YAML documents, compare them with the platform, and apply the changes."""

from __future__ import annotations

import difflib
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import idna
import yaml

from client import ApiError, Response
from client.resources.records import Records
from platformctl.session import Session

#: kind to the fields that it may have besides slug
FIELDS = {
    "Partner": ("name",),
    "Tenant": ("name", "plan", "domains", "partner", "billingInfo", "owner"),
}
CREATED, CONFIGURED, UNCHANGED = "created", "configured", "unchanged"


@dataclass(frozen=True)
class Manifest:
    """One document. Fields that it lacks keep their values; null removes a value."""

    kind: str
    slug: str
    fields: dict[str, Any]
    source: str

    @property
    def name(self) -> str:
        return f"{self.kind.lower()}/{self.slug}"


@dataclass(frozen=True)
class Comparison:
    """A document and its record. `live`: the record's fields that the document names; None without a record."""

    manifest: Manifest
    live: dict[str, Any] | None
    etag: str | None = None

    @property
    def changed(self) -> dict[str, Any]:
        """Return the fields that differ."""
        if self.live is None:
            return self.manifest.fields
        found = self.manifest.fields.items()
        return {name: wanted for name, wanted in found if not is_met(name, wanted, self.live.get(name))}

    @property
    def outcome(self) -> str:
        if self.live is None:
            return CREATED
        return CONFIGURED if self.changed else UNCHANGED

    def diff(self) -> list[str]:
        """Return a unified diff from the record to the document; empty when nothing would change."""
        if self.outcome == UNCHANGED:
            return []
        live = self.live or {}
        wanted = {name: _merge(name, value, live.get(name)) for name, value in self.manifest.fields.items()}
        before = _lines(live) if self.live is not None else []
        name = self.manifest.name
        return list(difflib.unified_diff(before, _lines(wanted), f"live/{name}", f"wanted/{name}", lineterm=""))


def read_manifests(paths: Iterable[str]) -> list[Manifest]:
    """Read all documents, partners first, because tenants refer to them. Raises click.UsageError with all errors."""
    found: list[Manifest] = []
    faults: list[str] = []
    for path in paths:
        for number, document in enumerate(_documents(path), 1):
            if document is None:
                continue
            source = f"{path}, document {number}"
            wrong = list(_faults(document))
            faults += [f"{source}: {fault}" for fault in wrong]
            if not wrong:
                kind, slug = document.get("kind", "Tenant"), document["slug"]
                fields = {name: value for name, value in document.items() if name not in ("kind", "slug")}
                found.append(Manifest(kind, slug, fields, source))
    names = [one.name for one in found]
    faults += [f"{name} is declared more than once" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        raise click.UsageError("\n  ".join(["Nothing was done, because of:", *faults]))
    if not found:
        raise click.UsageError("The files declare nothing.")
    return sorted(found, key=lambda one: list(FIELDS).index(one.kind))


def compare(session: Session, manifest: Manifest) -> Comparison:
    """Read the record of a document. Raises ApiError, and UsageError for a document that cannot be applied."""
    response = _read(session, manifest)
    if response is None:
        return Comparison(manifest, None)
    record = dict(response.data)
    if record.get("status") == "deleted":
        raise click.UsageError("it is deleted; platformctl tenants restore brings it back.")
    if "partner" in manifest.fields and "partnerId" in record:
        record["partner"] = session.names.partner(record["partnerId"])
    live = {name: record[name] for name in manifest.fields if name in record}
    return Comparison(manifest, live, response.etag)


def apply(session: Session, comparison: Comparison) -> Response[Any] | None:
    """Create or change the record; None when it was up to date."""
    manifest = comparison.manifest
    if comparison.outcome == UNCHANGED:
        return None
    body = dict(comparison.changed)
    if "partner" in body:
        partner = body.pop("partner")
        body["partnerId"] = None if partner is None else session.names.partner_id(partner)
    resource = _resource(session, manifest)
    if comparison.live is None:
        return resource.create({"slug": manifest.slug, **body})
    return resource.update(
        manifest.slug if manifest.kind == "Tenant" else _id(session, manifest), body, if_match=comparison.etag
    )


def is_met(name: str, wanted: Any, live: Any) -> bool:
    """Return whether a record has the declared value, apart from the API's spelling of it."""
    if name == "domains" and isinstance(wanted, list):
        return _domains(wanted) == _domains(live or [])
    if isinstance(wanted, Mapping):
        inner = live if isinstance(live, Mapping) else {}
        return all(is_met(key, value, inner.get(key)) for key, value in wanted.items())
    if isinstance(wanted, str) and isinstance(live, str):
        spelled = _address if name == "email" else _text
        return spelled(wanted) == spelled(live)
    return (wanted or None) == (live or None)


def _read(session: Session, manifest: Manifest) -> Response[Any] | None:
    try:
        if manifest.kind == "Tenant":
            return session.platform.tenants.get(manifest.slug)
        known = next((one for one in session.platform.partners.list() if one["slug"] == manifest.slug), None)
        return None if known is None else session.platform.partners.get(known["_id"])
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _resource(session: Session, manifest: Manifest) -> Records[Any, Any, Any]:
    return session.platform.tenants if manifest.kind == "Tenant" else session.platform.partners


def _id(session: Session, manifest: Manifest) -> str:
    return session.names.partner_id(manifest.slug)


def _documents(path: str) -> Iterator[Any]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        yield from list(yaml.safe_load_all(text))
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise click.UsageError(f"{path} cannot be read: {reason}.") from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise click.UsageError(f"{path}{where} is not YAML: {getattr(problem, 'problem', problem)}.") from None


def _faults(document: Any) -> Iterator[str]:
    if not isinstance(document, dict):
        yield "is not a mapping of fields"
        return
    kind = document.get("kind", "Tenant")
    if kind not in FIELDS:
        yield f"kind {kind!r} is not one of {', '.join(FIELDS)}"
        return
    if not isinstance(document.get("slug"), str) or not document["slug"]:
        yield "has no slug"
    unknown = [str(name) for name in document if name not in FIELDS[kind] and name not in ("kind", "slug")]
    if unknown:
        yield f"has unknown fields: {', '.join(unknown)}. A {kind} may have: {', '.join(FIELDS[kind])}"


def _merge(name: str, wanted: Any, live: Any) -> Any:
    """Return the new value of a field. A nested record keeps fields that the document does not name."""
    if is_met(name, wanted, live):
        return live
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return {**live, **{key: _merge(key, value, live.get(key)) for key, value in wanted.items()}}
    return _domains(wanted) if name == "domains" and isinstance(wanted, list) else wanted


def _domains(names: list[Any]) -> list[str]:
    """Return the primary domain, which is the first, and the others sorted: their order has no meaning."""
    first, *others = dict.fromkeys(map(_domain, names)) or [""]
    return [first, *sorted(others)] if first else []


def _address(text: str) -> str:
    """Return an e-mail address as the API stores it, with its domain in A-labels, for a comparison without case."""
    local, at, domain = _text(text).rpartition("@")
    return f"{local}{at}{_domain(domain)}".casefold()


def _domain(name: Any) -> str:
    try:
        return idna.encode(str(name).strip().removesuffix("."), uts46=True).decode()
    except idna.IDNAError:
        return str(name)


def _text(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())


def _lines(fields: Mapping[str, Any]) -> list[str]:
    return yaml.safe_dump(dict(fields), sort_keys=True, allow_unicode=True, width=10**6).splitlines()
