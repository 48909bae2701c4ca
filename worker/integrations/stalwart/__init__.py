"""Stalwart: mail domains, their keys and addresses, and what keeps mail and people out of a closed one."""
