"""`platformctl domains`: the records to publish, the answers of DNS, and waiting for a check."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.simulators.dns.server import DnsSimulator
from shared.application.parts import open_domain_monitor, open_starter
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.operations.dispatcher import Dispatcher
from tests.platformctl.conftest import Cli
from tests.simulators import fault, publish
from worker.dns_lookup import DnsLookup
from worker.jobs.domain_checks import DomainCheckJob


@pytest.fixture
def acme(cli: Cli) -> None:
    cli.json("tenants", "create", "acme", "--name", "Acme", "--domain", "acme.test")


@pytest.fixture
def domain_checks(
    make_settings: Callable[..., Settings], store: Repositories, dispatcher: Dispatcher, dns: DnsSimulator
) -> Iterator[None]:
    """Check every domain that is due, as the scheduler does."""
    settings = make_settings(dns_servers=dns.address, call_seconds=1.0)
    monitor = open_domain_monitor(store, open_starter(store, dispatcher, settings), settings)
    job = DomainCheckJob(monitor, DnsLookup(settings.dns_servers, lookup_seconds=1.0), settings)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            job.run_once()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()
    job.close()


def proof(cli: Cli) -> dict[str, Any]:
    [domain] = cli.json("domains", "list", "acme")
    [record] = domain["records"]
    found: dict[str, Any] = record
    return found


@pytest.mark.usefixtures("acme")
def test_the_records_to_publish_are_shown_in_a_row_each(cli: Cli) -> None:
    shown = cli("domains", "show", "acme")
    assert shown.exit_code == 0, shown.output
    head, columns, row = shown.stdout.splitlines()
    assert head.startswith("acme.test: unverified")
    assert columns.split() == ["NAME", "TYPE", "VALUE", "FOR", "ESSENTIAL", "PRESENCE", "DNS", "HAS"]
    record = proof(cli)
    assert row.split() == ["_dezky-challenge.acme.test", "TXT", record["value"], "ownership", "yes"]


def test_a_tenant_without_domains_lists_nothing(cli: Cli) -> None:
    cli.json("tenants", "create", "acme", "--name", "Acme")
    assert cli.json("domains", "list", "acme") == []
    assert cli("domains", "list", "acme").stderr == "Nothing found.\n"


@pytest.mark.usefixtures("acme", "domain_checks")
def test_a_published_proof_is_waited_for_and_found(cli: Cli, dns: DnsSimulator) -> None:
    record = proof(cli)
    publish(dns, (record["name"], record["type"], record["value"]))
    found = cli("domains", "verify", "acme", "acme.test", "--wait")
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("acme.test: verified  proven ")
    assert found.stdout.split()[-1] == "ok"


@pytest.mark.usefixtures("acme", "domain_checks")
def test_a_wrong_proof_ends_the_wait_with_1_and_shows_the_dns_answer(cli: Cli, dns: DnsSimulator) -> None:
    publish(dns, (proof(cli)["name"], "TXT", "dezky-verification=of-somebody-else"))
    missed = cli("domains", "verify", "acme", "ACME.test.", "--wait", "-o", "json")
    assert missed.exit_code == 1, missed.output
    [record] = json.loads(missed.stdout)["records"]
    assert (record["presence"], record["seen"]) == ("different", ["dezky-verification=of-somebody-else"])


@pytest.mark.usefixtures("acme", "domain_checks")
def test_when_dns_does_not_answer_no_record_is_called_missing(cli: Cli, dns: DnsSimulator) -> None:
    fault(dns, kind="servfail")
    silent = cli("domains", "verify", "acme", "acme.test", "--wait")
    assert silent.exit_code == 1
    assert "no answer from DNS upstream_error" in silent.stdout
    assert "nothing follows from that" in silent.stderr


@pytest.mark.usefixtures("acme")
def test_a_check_that_has_not_run_when_the_wait_ends_exits_with_6(cli: Cli) -> None:
    asked = cli("domains", "verify", "acme", "acme.test")
    assert asked.exit_code == 0
    assert "check requested " in asked.stdout
    waited = cli("domains", "verify", "acme", "acme.test", "--wait", "--timeout", "0.1")
    assert (waited.exit_code, "platformctl domains show acme acme.test" in waited.stderr) == (6, True)


@pytest.mark.usefixtures("acme")
def test_another_tenants_domain_is_refused_and_an_invalid_name_is_a_usage_error(cli: Cli) -> None:
    foreign = cli("domains", "verify", "acme", "beta.test")
    assert (foreign.exit_code, "not_found" in foreign.stderr) == (3, True)
    for text in ("acme", "../webhooks", "acme.test/../x", "a..b", "", "acme.test?x"):
        assert cli("domains", "verify", "acme", "--", text).exit_code == 2, text
