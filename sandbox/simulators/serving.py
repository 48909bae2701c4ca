"""A simulator as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal

from sandbox.simulators.server import Simulator


def serve_until_told(simulator: Simulator, port: int) -> None:
    """What a simulator's `__main__` does: listen, print one JSON line with the URL, end on SIGTERM or SIGINT."""

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        runner = await simulator.serve(port)
        print(json.dumps({"url": simulator.url}), flush=True)
        await stop.wait()
        await runner.cleanup()

    asyncio.run(main())
