"""Threads of a scheduler job's own, so that a product that hangs delays no other job."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog

from shared.core.errors import StoreUnavailable

log = structlog.get_logger(__name__)


class WorkerPool:
    """Runs work on at most `threads` threads. A job claims only as much as there are `free` ones, so that no lease runs
    out in a queue.
    """

    def __init__(self, name: str, threads: int) -> None:
        """`name`: the job, as the log events `job.bug` and `job.store_unavailable` name it."""
        self._name = name
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._running: set[Future[None]] = set()

    @property
    def free(self) -> int:
        """Return how many more could run now."""
        self._running = {future for future in self._running if not future.done()}
        return self._threads - len(self._running)

    def submit(self, work: Callable[[], object], **facts: str) -> None:
        """Run `work` on a thread. A fault is logged with `facts`; what was claimed is due again at its lease's end."""
        self._running.add(self._pool.submit(self._run, work, facts))

    def wait(self, seconds: float) -> None:
        """Wait until the work that runs now has ended. Raises TimeoutError after `seconds`."""
        if wait(self._running, seconds).not_done:
            raise TimeoutError

    def close(self) -> None:
        """Wait for the work that runs; each has its time limit."""
        self._pool.shutdown()

    def _run(self, work: Callable[[], object], facts: dict[str, str]) -> None:
        try:
            work()
        except StoreUnavailable:
            log.warning("job.store_unavailable", job=self._name, **facts)
        except Exception:  # a bug with one piece of work must not cost the scheduler its thread
            log.exception("job.bug", job=self._name, **facts)
