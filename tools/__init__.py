"""Programs for the people who work on the platform: benchmark and chaos runs."""
