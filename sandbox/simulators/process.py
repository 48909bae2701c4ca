"""Run a simulator as a separate process."""

from __future__ import annotations

import asyncio
import json
import signal

from sandbox.simulators.server import Simulator


def serve_until_stopped(simulator: Simulator, port: int) -> None:
    """Listen, print the URL as one line of JSON, and end on SIGTERM or SIGINT."""

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        runner = await simulator.serve(port)
        print(json.dumps({"url": simulator.url}), flush=True)
        await stop.wait()
        await runner.cleanup()

    asyncio.run(main())
