"""platformctl: the platform's command line, for people and scripts. Speaks HTTP; imports nothing of the service."""
