"""A WSGI application behind the bridge that echoes requests, streams, fails, or answers slowly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from flask import Flask, Response, request

from api.http.server_policy import ApiServerPolicy
from serving.bridge import Bridge

app = Flask("echo", static_folder=None)


@app.route("/<path:path>", methods=["GET", "POST", "PATCH"])
def echo(path: str) -> Response:
    body = request.get_data()
    given = {"path": request.path, "body": body.decode("latin-1"), "headers": dict(request.headers)}
    return Response(json.dumps(given), content_type="application/json")


@app.get("/slow")
def slow() -> Response:
    time.sleep(float(request.args["seconds"]))
    return Response("done")


@app.get("/stream")
def stream() -> Response:
    count = int(request.args["pieces"])

    def pieces() -> Iterator[bytes]:
        for number in range(count):
            yield b"%d," % number * 10_000

    return Response(pieces(), content_type="text/plain")


@app.get("/broken-stream")
def broken_stream() -> Response:
    def pieces() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("the source of the stream failed")

    return Response(pieces(), content_type="text/plain")


asgi = Bridge(app, 2, ApiServerPolicy())
