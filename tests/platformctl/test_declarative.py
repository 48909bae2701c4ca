"""`platformctl apply` and `diff`: records are created and changed as files declare, and only once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.platformctl.conftest import Cli, Workers

DECLARED = """
kind: Partner
slug: northwind
name: Northwind IT
---
kind: Tenant
slug: acme
name: "  Acme GmbH "
plan: business
partner: northwind
domains: [Bücher.Example, acme.example]
billingInfo: {company: Acme GmbH, email: Office@Bücher.example, address: {city: Köln, country: DE}}
owner: {email: ann@BÜCHER.example, name: Ann Example}
---
slug: globex
name: Globex
"""


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    path = tmp_path / "tenants.yaml"
    path.write_text(DECLARED, encoding="utf-8")
    return path


def applied(cli: Cli, path: Path, *more: str) -> dict[str, str]:
    return {one["name"]: one["result"] for one in cli.json("apply", "-f", str(path), *more)}


def everything(cli: Cli) -> Any:
    return cli.json("tenants", "list", "--all"), cli.json("partners", "list"), cli.json("operations", "list", "--all")


def test_a_declared_record_is_created_and_a_second_apply_changes_nothing(
    cli: Cli, declared: Path, workers: Workers
) -> None:
    names = ("partner/northwind", "tenant/acme", "tenant/globex")
    assert applied(cli, declared) == dict.fromkeys(names, "created")
    acme = cli.json("tenants", "show", "acme")
    assert (acme["domains"], acme["plan"]) == (["xn--bcher-kva.example", "acme.example"], "business")
    assert acme["partnerId"] == cli.json("partners", "show", "northwind")["_id"]
    for tenant in ("acme", "globex"):
        workers.finish(cli.json("tenants", "show", tenant)["operation"]["id"])
    before = everything(cli)
    assert applied(cli, declared) == dict.fromkeys(names, "unchanged")
    assert everything(cli) == before
    same = cli("diff", "-f", str(declared))
    assert (same.exit_code, same.stdout) == (0, "")


def test_only_differences_are_changed_and_the_diff_shows_them_before(
    cli: Cli, declared: Path, workers: Workers
) -> None:
    applied(cli, declared)
    for tenant in ("acme", "globex"):
        workers.finish(cli.json("tenants", "show", tenant)["operation"]["id"])
    declared.write_text(DECLARED.replace("plan: business", "plan: starter").replace("Köln", "Bonn"), encoding="utf-8")
    shown = cli("diff", "-f", str(declared))
    assert shown.exit_code == 1
    changed = {line for line in shown.stdout.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")}
    assert changed == {"-    city: Köln", "+    city: Bonn", "-plan: business", "+plan: starter"}
    assert cli.json("tenants", "show", "acme")["plan"] == "business"
    workers.soon("acme")
    results = applied(cli, declared, "--wait")
    assert results == {"partner/northwind": "unchanged", "tenant/acme": "configured", "tenant/globex": "unchanged"}
    acme = cli.json("tenants", "show", "acme")
    assert (acme["plan"], acme["billingInfo"]["address"]) == ("starter", {"city": "Bonn", "country": "DE"})
    assert acme["billingInfo"]["company"] == "Acme GmbH"


def test_null_empties_a_field_and_an_absent_field_stays(cli: Cli, declared: Path, workers: Workers) -> None:
    applied(cli, declared)
    workers.finish(cli.json("tenants", "show", "acme")["operation"]["id"])
    declared.write_text("slug: acme\npartner: null\n")
    assert applied(cli, declared) == {"tenant/acme": "configured"}
    acme = cli.json("tenants", "show", "acme")
    assert ("partnerId" in acme, acme["plan"], len(acme["domains"])) == (False, "business", 2)
    assert applied(cli, declared) == {"tenant/acme": "unchanged"}


def test_another_primary_domain_is_a_change_and_another_order_of_the_rest_is_none(
    cli: Cli, declared: Path, workers: Workers
) -> None:
    declared.write_text("slug: acme\nname: Acme\ndomains: [a.example, b.example, c.example]\n")
    applied(cli, declared)
    workers.finish(cli.json("tenants", "show", "acme")["operation"]["id"])
    declared.write_text("slug: acme\ndomains: [a.example, c.example, B.example, b.example]\n")
    assert applied(cli, declared) == {"tenant/acme": "unchanged"}
    declared.write_text("slug: acme\ndomains: [b.example, a.example, c.example]\n")
    shown = cli("diff", "-f", str(declared))
    assert (shown.exit_code, "+- b.example" in shown.stdout) == (1, True), shown.stdout
    assert applied(cli, declared) == {"tenant/acme": "configured"}
    assert cli.json("tenants", "show", "acme")["domains"] == ["b.example", "a.example", "c.example"]


def test_a_dry_run_changes_nothing(cli: Cli, declared: Path) -> None:
    assert set(applied(cli, declared, "--dry-run").values()) == {"created"}
    assert cli.json("partners", "list") == []


def test_all_faults_of_the_files_are_reported_before_any_change(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("slug: good-one\nname: Good\n---\nkind: Tenent\n---\nname: x\n---\nslug: acme\nplann: x\n---\n7\n")
    refused = cli("apply", "-f", str(path))
    assert refused.exit_code == 2
    for part in ("document 2: kind 'Tenent'", "document 3: has no slug", "unknown fields: plann", "document 5: is not"):
        assert part in refused.stderr
    assert [one["slug"] for one in cli.json("tenants", "list", "--search", "good")] == []


@pytest.mark.parametrize("text", ["a: [", "", "slug: acme\n---\nslug: acme\n", "\t"])
def test_an_empty_file_and_a_doubled_declaration_are_usage_errors(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    assert cli("apply", "-f", str(path)).exit_code == 2
    assert cli("diff", "-f", str(path)).exit_code == 2
    assert cli("apply", "-f", str(tmp_path / "none.yaml")).exit_code == 2


def test_a_refused_document_is_reported_and_does_not_stop_the_others(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("slug: WWW\nname: x\n---\nslug: acme\nname: Acme\n---\nslug: globex\nname: x\npartner: nobody\n")
    done = cli("apply", "-f", str(path), "-o", "json")
    assert done.exit_code == 3
    results = {one["name"]: one["result"] for one in json.loads(done.stdout)}
    assert results == {"tenant/WWW": "failed", "tenant/acme": "created", "tenant/globex": "failed"}
    assert "document 1, tenant/WWW:" in done.stderr
    assert "/slug:" in done.stderr
    assert "no partner nobody" in done.stderr


def test_a_deleted_tenant_is_not_applied_and_the_way_to_restore_it_is_shown(
    cli: Cli, declared: Path, workers: Workers
) -> None:
    applied(cli, declared)
    workers.finish(cli.json("tenants", "show", "globex")["operation"]["id"])
    assert cli("tenants", "delete", "globex", "--yes").exit_code == 0
    declared.write_text("slug: globex\nname: Globex\n")
    refused = cli("apply", "-f", str(declared))
    assert (refused.exit_code, "restore" in refused.stderr) == (3, True)


def test_documents_come_from_standard_input_too(cli: Cli) -> None:
    done = cli("apply", "-f", "-", "-o", "json", input="slug: acme\nname: Acme\n")
    assert (done.exit_code, json.loads(done.stdout)[0]["result"]) == (0, "created")
