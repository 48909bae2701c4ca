"""Mail: SMTP listener, delivery, and the DKIM keys and DNS records of a domain."""
