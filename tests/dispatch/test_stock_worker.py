"""A Celery worker with Celery's own transport and settings runs our chord; only its join is ours.

As always with Celery, sender and worker must name the same result backend: Celery's own Redis results keep a chord's
size in a key of theirs, so a worker with those would run the parts and never the body.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import redis

import shared
from sandbox.processes import end, spawn
from shared.config.addresses import BrokerAddress
from shared.messaging.celery_app import make_celery
from shared.messaging.messages import TaskCall, make_chord_messages

ID = "6b058a725d1747cfeba27b12"

STOCK = """
import os
import redis
from celery import Celery

app = Celery("stock", broker=os.environ["REDIS_URL"], backend="shared.messaging.chord_backend:ChordCounterBackend")
seen = redis.Redis.from_url(os.environ["REDIS_URL"])

@app.task(name="dezky.run_step")
def run_step(operation_id, step, dispatch):
    seen.rpush("seen", f"{step} {dispatch}")

@app.task(name="dezky.finalize")
def finalize(operation_id):
    seen.rpush("seen", f"finalize {operation_id}")
"""


def test_a_stock_worker_runs_the_parts_and_then_the_body_once(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "stock.py").write_text(STOCK)
    steps, queues = ("authentik", "stalwart", "ocis"), "authentik,stalwart,ocis,control"
    command = [sys.executable, "-m", "celery", "-A", "stock", "worker", "--pool", "solo", "-Q", queues]
    environment = {**os.environ, "REDIS_URL": redis_url, "PYTHONPATH": str(Path(shared.__file__).parents[1])}
    process = spawn(command, log=tmp_path / "stock.log", env=environment, cwd=tmp_path)
    app = make_celery(BrokerAddress.of(redis_url), "sender")
    header = [TaskCall("dezky.run_step", (ID, step, 1), step) for step in steps]
    with redis.Redis.from_url(redis_url, decode_responses=True) as broker:
        for message in make_chord_messages(app, header, TaskCall("dezky.finalize", (ID,), "control")):
            broker.lpush(message.queue, message.text)
        deadline = time.monotonic() + 60
        while broker.llen("seen") < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        seen = broker.lrange("seen", 0, -1)
    end(process)
    app.close()
    assert sorted(seen[:3]) == ["authentik 1", "ocis 1", "stalwart 1"], (tmp_path / "stock.log").read_text()
    assert seen[3:] == [f"finalize {ID}"], (tmp_path / "stock.log").read_text()
