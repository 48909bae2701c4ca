"""Options of the broker's transport that are shortened beside the settings."""

from __future__ import annotations

from collections.abc import Mapping

#: seconds that a received message may stay unacknowledged, and seconds between checks (otherwise 300 and 10)
VISIBILITY: Mapping[str, int] = {"visibility_timeout": 12, "unacked_restore_interval": 4}
