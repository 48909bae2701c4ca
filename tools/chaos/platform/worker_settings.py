"""Options of the broker's transport that are shortened beside the settings."""

from __future__ import annotations

from collections.abc import Mapping

#: how long a taken message may stay unacknowledged, and how often that is checked, in seconds (otherwise 300 and 10)
VISIBILITY: Mapping[str, int] = {"visibility_timeout": 12, "unacked_restore_interval": 4}
