"""The workers of a storm: the platform's own, which give up a dead one's messages after seconds, not minutes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from chaos.worker_settings import VISIBILITY
from shared.settings import read_settings
from worker.app import create_worker

app = create_worker(read_settings())
app.conf.broker_transport_options = {**app.conf.broker_transport_options, **VISIBILITY}

_off = float(os.environ.get("CHAOS_CLOCK_OFF", "0"))
if _off:
    # when Celery says until when a retry waits, it asks the app what time it is
    app.now = lambda: datetime.now(UTC) + timedelta(seconds=_off)  # type: ignore[method-assign]
