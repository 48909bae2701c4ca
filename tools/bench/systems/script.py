"""The baseline without a queue: an asyncio script with the same calls for each tenant and two writes of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pymongo
from bson import ObjectId

from shared.config.integrations import DEFAULT_PLANS
from shared.config.settings import read_settings
from shared.integrations.ownership_marker import MarkerSigner
from tools.bench.systems.calls import STEPS, tenant_of
from worker.integrations.registry import connect_integrations
from worker.integrations.step_context import StepContext


class Script:
    """Run the platform's own steps on threads, and everything else on the event loop."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._settings = read_settings(**{name.lower(): value for name, value in environment.items()})
        self._clients = connect_integrations(self._settings)
        client: Any = pymongo.MongoClient(environment["MONGODB_URI"], tz_aware=True)
        self._rows = client["script"]["tenants"]
        self._threads = ThreadPoolExecutor(32)

    def paced(self, tag: str, count: int, pause: float) -> list[float]:
        """Return the milliseconds from start until each tenant is active; one every `pause` seconds."""
        return asyncio.run(self._pace(tag, count, pause))

    async def _pace(self, tag: str, count: int, pause: float) -> list[float]:
        tasks = []
        for number in range(count):
            tasks.append(asyncio.create_task(self._provision(f"{tag}{number}")))
            await asyncio.sleep(pause)
        return list(await asyncio.gather(*tasks))

    async def _provision(self, slug: str) -> float:
        began = time.perf_counter()
        row = {"_id": ObjectId(), "slug": slug, "name": "Bench", "domains": [f"{slug}.test"]}
        row |= {"status": "pending", "createdAt": datetime.now(UTC)}
        await self._aside(self._rows.insert_one, row)
        await asyncio.gather(*(self._aside(self._step, row, name) for name in STEPS))
        await self._aside(self._rows.update_one, {"_id": row["_id"]}, {"$set": {"status": "active"}})
        return (time.perf_counter() - began) * 1000

    def _step(self, row: dict[str, Any], name: str) -> None:
        def save(**_: Any) -> bool:
            """Save nothing: the single write at the end is enough."""
            return True

        work = StepContext(
            tenant_of(row),
            DEFAULT_PLANS["starter"],
            MarkerSigner(name, self._settings.stamp_key_texts),
            save,
            is_first=True,
        )
        STEPS[name](work, self._clients[name])

    async def _aside(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
