"""An API whose process dies while it publishes an operation: before the first message, or after it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from api.app import create_app
from api.http.server_policy import ApiServerPolicy
from serving.bridge import Bridge
from shared.config.settings import read_settings
from shared.messaging.messages import QueuedMessage
from shared.operations.dispatcher import Dispatcher

_push = Dispatcher._push


def _die_while_posting(self: Dispatcher, messages: Sequence[QueuedMessage]) -> None:
    if os.environ["DYING_API"] == "half-way":
        _push(self, messages[:1])
    os.kill(os.getpid(), signal.SIGKILL)


# this class is changed in this process only
Dispatcher._push = _die_while_posting  # type: ignore[method-assign]
asgi = Bridge(create_app(read_settings()), 2, ApiServerPolicy())
