"""Two generators make clients from the description. They run where their tools are.

`OPENAPI_NODE`: a folder where `npm install openapi-typescript openapi-fetch typescript` was run.
`OPENAPI_PYTHON`: the command `openapi-python-client`, installed in an environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.app import create_app
from api.openapi.generator import describe
from shared.config.settings import Settings

NODE, PYTHON = os.environ.get("OPENAPI_NODE"), os.environ.get("OPENAPI_PYTHON")

#: code of a portal in TypeScript, with every check of the compiler on
USE = """
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export const patch: Schemas["UpdateTenantRequest"] = { billingInfo: { vatId: null } };
export const untouched: Schemas["UpdateTenantRequest"] = {};
export const create: Schemas["CreateTenantRequest"] = {
  slug: "acme",
  name: "Acme",
  billingInfo: { address: { country: "DE" } },
};
export const role: Schemas["UpdateUserRequest"] = { roles: { "65f0c0ffee65f0c0ffee65f0": "admin" } };
// @ts-expect-error a tenant has a name
export const nameless: Schemas["CreateTenantRequest"] = { slug: "acme" };
// @ts-expect-error a name cannot be removed
export const removed: Schemas["UpdateTenantRequest"] = { name: null };

export async function run(): Promise<string | undefined> {
  const client = createClient<paths>({ baseUrl: "https://api.example.org" });
  const params = { path: { slug: "acme" } };
  await client.PATCH("/tenants/{slug}", { params, body: patch });
  await client.POST("/tenants", { body: create });
  const { data } = await client.GET("/tenants/{slug}", { params });
  return data?.operation?.status;
}
"""
STRICT = "--noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck"
MODULES = "--target es2022 --module nodenext --moduleResolution nodenext"

#: code of a script in Python
SCRIPT = """
from generated.models import CreateTenantRequest, TenantResponse, UpdateTenantRequest
from generated.types import UNSET

patch = UpdateTenantRequest.from_dict({"billingInfo": {"vatId": None}})
assert patch.to_dict() == {"billingInfo": {"vatId": None}}, patch.to_dict()
assert UpdateTenantRequest().to_dict() == {}
create = CreateTenantRequest.from_dict({"slug": "a", "name": "A", "billingInfo": {"address": {"country": "DE"}}})
assert create.to_dict()["billingInfo"] == {"address": {"country": "DE"}}, create.to_dict()
assert create.plan is UNSET
assert TenantResponse
"""


@pytest.fixture
def document(settings: Settings, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(describe(create_app(settings), "1.0", settings.plans)))
    return path


def run(command: list[str], folder: Path, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(NODE is None, reason="OPENAPI_NODE names no folder with openapi-typescript and tsc")
def test_a_typescript_client_compiles_with_every_check_on(document: Path, tmp_path: Path) -> None:
    modules = Path(NODE or "") / "node_modules"
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "use.ts").write_text(USE)
    run([str(modules / ".bin" / "openapi-typescript"), str(document), "-o", "schema.ts"], tmp_path)
    run([str(modules / ".bin" / "tsc"), *STRICT.split(), *MODULES.split(), "use.ts"], tmp_path)


@pytest.mark.skipif(PYTHON is None, reason="OPENAPI_PYTHON names no command openapi-python-client")
def test_a_generated_python_client_sends_only_the_fields_that_were_set(document: Path, tmp_path: Path) -> None:
    command = [str(PYTHON), "generate", "--path", str(document), "--output-path", "generated", "--meta", "none"]
    # it warns of omitted parts, such as a response that it cannot read
    run([*command, "--fail-on-warning"], tmp_path, PATH=f"{Path(PYTHON or '').parent}:{os.environ['PATH']}")
    (tmp_path / "script.py").write_text(SCRIPT)
    interpreter = Path(PYTHON or "").parent / "python"
    run([str(interpreter if interpreter.exists() else sys.executable), "script.py"], tmp_path, PYTHONPATH=".")
