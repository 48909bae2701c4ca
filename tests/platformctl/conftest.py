"""The command line client against the real API, signed in by the simulated identity provider."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from platformctl.__main__ import cli as program
from platformctl.commands.service import PROGRAM, VARIABLE
from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.integrations.outcomes import PermanentError, failed, left_out, ok
from tests.api.conftest import (  # noqa: F401
    Issuer,
    api_settings,
    api_url,
    as_,
    authentik,
    issuer,
    root,
    serve,
    worker_apis,
    worker_authentik,
)
from tests.platformctl.faulty_proxy import FaultyProxy

ROOT = Path(__file__).parents[2]
VARIABLES = (
    "PLATFORM_CONTEXT",
    "PLATFORM_API_URL",
    "PLATFORM_ISSUER",
    "PLATFORM_CLIENT_ID",
    "PLATFORM_CLIENT_SECRET",
    "PLATFORM_CLIENT_SECRET_FILE",
    "PLATFORM_TOKEN",
    "PLATFORM_CA_CERTS",
)


class Cli:
    """Run the program with an environment and a configuration folder of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment: dict[str, str | None] = {
            **dict.fromkeys(VARIABLES),
            "PLATFORM_CONFIG_DIR": str(folder),
            **environment,
        }

    def __call__(self, *arguments: str, encoding: str = "utf-8", **options: Any) -> Result:
        """Run a command in this process, whose output has the encoding."""
        given = {"prog_name": PROGRAM, "complete_var": VARIABLE, **options}
        given["env"] = {**self.environment, **given.get("env", {})}
        return CliRunner(charset=encoding).invoke(program, list(arguments), **given)

    def json(self, *arguments: str, **options: Any) -> Any:
        """Return the parsed output of a command that must succeed."""
        done = self(*arguments, "--output", "json", **options)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start a separate process, which ends with the block."""
        given = {name: value for name, value in self.environment.items() if value is not None}
        process = subprocess.Popen(
            [sys.executable, "-m", "platformctl", *arguments],
            cwd=ROOT,
            env={**os.environ, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))

    def saved(self) -> dict[str, Any]:
        """Return the only saved sign-in."""
        [path] = self.files()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def rewrite(self, **changes: Any) -> None:
        [path] = self.files()
        path.write_text(json.dumps(self.saved() | changes))


@pytest.fixture
def visitor(tmp_path: Path, api_url: str, issuer: Issuer) -> Cli:  # noqa: F811
    """Return a program with all settings that is not signed in."""
    return Cli(
        tmp_path / "config" / "platformctl",
        PLATFORM_API_URL=api_url,
        PLATFORM_ISSUER=issuer.url(),
        PLATFORM_CLIENT_ID="operator",
    )


@pytest.fixture
def cli(visitor: Cli, issuer: Issuer) -> Cli:  # noqa: F811
    """Return the program of a platform administrator, who has a token."""
    visitor.environment["PLATFORM_TOKEN"] = issuer.token("admin")
    assert visitor("whoami").exit_code == 0
    return visitor


@pytest.fixture
def proxy(cli: Cli) -> Iterator[FaultyProxy]:
    url = cli.environment["PLATFORM_API_URL"]
    assert url is not None
    proxy = FaultyProxy(url)
    cli.environment["PLATFORM_API_URL"] = proxy.url
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield proxy
    proxy.shutdown()
    proxy.server_close()


@contextmanager
def person(
    authentik: AuthentikSimulator,  # noqa: F811
    username: str = "admin",
    *,
    approve: bool = True,
) -> Iterator[None]:
    """Simulate a person at a browser, who decides as soon as a device shows its code."""
    done = threading.Event()

    def decide() -> None:
        grants = authentik.oidc.grants
        while not done.wait(0.02):
            for code in list(grants._devices.values()):
                if code.user is None and not code.denied:
                    grants.decide_device(code.user_code, username, approve=approve)

    browser = threading.Thread(target=decide)
    browser.start()
    try:
        yield
    finally:
        done.set()
        browser.join()


class Workers:
    """Record outcomes as workers do, at once or while a command waits."""

    def __init__(self, store: Repositories) -> None:
        self._store = store
        self._threads: list[threading.Thread] = []

    def finish(
        self,
        operation_id: str,
        *,
        failing: str | None = None,
        absent: str | None = None,
        steps: Sequence[str] | None = None,
        changes: Sequence[str] = (),
    ) -> None:
        outcomes = {failing: failed(PermanentError("unexpected_answer")), absent: left_out("Paused: this.")}
        operation = self._store.operations.find(operation_id)
        assert operation is not None
        for step in steps or [step.name for step in operation.steps]:
            claim = self._store.operations.claim(operation_id, step, 99, 60)
            assert claim is not None
            self._store.operations.record(claim, outcomes.get(step, replace(ok(), changes=tuple(changes))))
        open_settlement(self._store).settle(operation_id)

    def soon(self, slug: str, **options: Any) -> None:
        """Run in the background once the tenant's latest operation is open."""

        def work() -> None:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                operation_id = self._open(slug)
                if operation_id is not None:
                    self.finish(operation_id, **options)
                    return
                time.sleep(0.02)

        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _open(self, slug: str) -> str | None:
        tenant = self._store.tenants.find(slug)
        operation = self._store.operations.find_open(tenant.id) if tenant is not None else None
        return operation.id if operation is not None else None

    def join(self) -> None:
        while self._threads:
            self._threads.pop().join()


@pytest.fixture
def workers(store: Repositories) -> Iterator[Workers]:
    made = Workers(store)
    yield made
    made.join()
