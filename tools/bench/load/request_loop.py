"""Send HTTP requests in a closed loop over a few kept connections, from one process that costs little."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Request:
    """`body`: the JSON to send for the n-th request, or None."""

    method: str
    path: str
    body: Callable[[int], Any] = lambda number: None


@dataclass(frozen=True)
class Load:
    """Requests a second, and their durations and the API's processor time for each in milliseconds."""

    per_second: float
    p50: float
    p99: float
    cpu_ms: float = 0.0


COLUMNS = ("requests/s", "p50 ms", "p99 ms", "CPU ms")


def drive(url: str, headers: Mapping[str, str], what: Request, seconds: float, connections: int) -> Load:
    """Send the next request on each connection as soon as the last is answered. Raises for an error status."""
    times = asyncio.run(_drive(url, headers, what, seconds, connections))
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return Load(len(times) / seconds, cuts[49] * 1000, cuts[98] * 1000)


async def _drive(url: str, headers: Mapping[str, str], what: Request, seconds: float, connections: int) -> list[float]:
    times: list[float] = []
    numbers = iter(range(10**9))
    end = time.perf_counter() + seconds

    async def connection(session: aiohttp.ClientSession) -> None:
        while (began := time.perf_counter()) < end:
            async with session.request(what.method, url + what.path, json=what.body(next(numbers))) as response:
                await response.read()
                response.raise_for_status()
            times.append(time.perf_counter() - began)

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(headers=dict(headers), connector=connector) as session:
        await asyncio.gather(*(connection(session) for _ in range(connections)))
    return times
