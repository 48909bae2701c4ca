"""An API whose process dies while it sends what it has recorded: before the first message, or after it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from api.app import create_app
from api.http.site import ApiSite
from serving.bridge import Bridge
from shared.config.settings import read_settings
from shared.messaging.chord_messages import QueuedMessage
from shared.operations.dispatcher import Dispatcher

_post = Dispatcher._post


def _die_while_posting(self: Dispatcher, letters: Sequence[QueuedMessage]) -> None:
    if os.environ["ODD_API"] == "half-way":
        _post(self, letters[:1])
    os.kill(os.getpid(), signal.SIGKILL)


# this process is the odd one, so its own class may be changed
Dispatcher._post = _die_while_posting  # type: ignore[method-assign]
asgi = Bridge(create_app(read_settings()), 2, ApiSite())
