"""The start of the service: indexes and the default tenant, made once however many processes start at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shared.settings import Settings
from shared.store.opening import open_store

ROOT = Path(__file__).parents[2]
PREPARE = """
import sys
from api.seed import prepare_in_background
from shared.control_plane.opening import open_control_plane
from shared.dispatch.sender import Dispatcher
from shared.settings import read_settings
from shared.store.opening import open_store
settings = read_settings()
plane = open_control_plane(open_store(settings), Dispatcher(settings.broker), settings)
sys.stdin.readline()
prepare_in_background(plane).join()
"""


def test_ten_processes_that_start_at_once_make_one_default_tenant_with_one_subscription(settings: Settings) -> None:
    environment = {
        "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "MONGODB_DATABASE": settings.mongodb_database,
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "PYTHONPATH": str(ROOT),
    }
    processes = [
        subprocess.Popen([sys.executable, "-c", PREPARE], env=environment, stdin=subprocess.PIPE, cwd=ROOT)
        for _ in range(10)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
    assert [process.wait(100) for process in processes] == [0] * 10
    store = open_store(settings)
    database = store.client[settings.mongodb_database]
    counts = {name: database[name].count_documents({}) for name in ("tenants", "subscriptions", "operations", "events")}
    assert counts == {"tenants": 1, "subscriptions": 1, "operations": 1, "events": 1}
    assert {"slug", "domains", "partner", "status", "plan"} <= set(database["tenants"].index_information())
    store.close()
