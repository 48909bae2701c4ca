"""The use cases: what a door can ask of the platform. Records first, rings second, waits for no outside system."""
