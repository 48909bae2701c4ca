"""Bootstrap: prepare the products beyond their configuration files, and list the tasks left for a person."""
