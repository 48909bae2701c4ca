"""The console's policy for its server: body limits, and responses to requests that never reach the application."""

from __future__ import annotations

from collections.abc import Mapping

from serving.application import Response
from serving.bridge import Refusal
from serving.request_head import RequestHead

#: forms are small; a logout token of the provider is too
MAX_FORM_BYTES = 64 * 1024
STATUS: Mapping[Refusal, tuple[int, str]] = {
    Refusal.BROKEN: (400, "The request could not be read."),
    Refusal.LATE: (408, "The request did not arrive in time. Please try again."),
    Refusal.FULL: (503, "The console is busy. Please try again in a moment."),
}


class ConsoleServerPolicy:
    liveness = "/health/live"

    def body_limit(self, path: str) -> int:
        return MAX_FORM_BYTES

    def is_refused_by_headers(self, path: str, headers: Mapping[str, str]) -> bool:
        """Return whether the body is compressed or longer than any form."""
        length = headers.get("content-length", "0")
        is_long = not (length.isascii() and length.isdecimal()) or int(length) > MAX_FORM_BYTES
        return is_long or headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")

    def refuse(self, head: RequestHead, refusal: Refusal) -> Response:
        status, sentence = STATUS[refusal]
        text = sentence.encode()
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "content-length": str(len(text)),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        return Response(status, [(name.encode(), value.encode()) for name, value in headers.items()], text)
