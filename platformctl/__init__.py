"""platformctl: the platform's command line, for people and scripts. It stands on the Python client alone."""
