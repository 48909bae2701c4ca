"""The systems that are measured: the platform, and baselines that do less."""
