"""The Celery app of the workers in a run: messages of a dead worker come back after seconds, not minutes."""

from __future__ import annotations

from shared.config.settings import read_settings
from tools.chaos.platform.worker_settings import VISIBILITY
from worker.app import create_worker

app = create_worker(read_settings())
app.conf.broker_transport_options = {**app.conf.broker_transport_options, **VISIBILITY}
