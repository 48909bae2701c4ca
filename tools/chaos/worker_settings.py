"""What a storm's workers have shortened beside the settings."""

from __future__ import annotations

from collections.abc import Mapping

#: how long a taken message may stay unacknowledged, and how often that is looked at, in seconds (else 300 and 10)
VISIBILITY: Mapping[str, int] = {"visibility_timeout": 12, "unacked_restore_interval": 4}
