"""The HTTP door: takes requests, answers them, never speaks to an outside system."""
