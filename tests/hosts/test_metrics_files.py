"""The metrics of the port while processes start."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from shared.metrics.exposition import AllProcesses


def test_a_metrics_file_that_a_starting_process_creates_is_read_again(tmp_path: Path) -> None:
    made = tmp_path / "counter_1.db"
    made.touch()
    files = MultiProcessCollector(None, str(tmp_path))  # type: ignore[no-untyped-call]
    with pytest.raises(struct.error):
        list(files.collect())
    registry = CollectorRegistry()
    threading.Timer(0.1, made.write_bytes, [struct.pack("ii", 8, 0)]).start()
    registry.register(AllProcesses(files))
    assert generate_latest(registry) == b""
