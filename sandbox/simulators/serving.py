"""A stand-in as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal

from sandbox.simulators.server import StandIn


def serve_until_told(stand_in: StandIn, port: int) -> None:
    """What a stand-in's `__main__` does: listen, print one JSON line with the URL, end on SIGTERM or SIGINT."""

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        runner = await stand_in.serve(port)
        print(json.dumps({"url": stand_in.url}), flush=True)
        await stop.wait()
        await runner.cleanup()

    asyncio.run(main())
