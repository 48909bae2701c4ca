"""platformctl: the platform's command line, for people and scripts. It uses only the Python client."""
