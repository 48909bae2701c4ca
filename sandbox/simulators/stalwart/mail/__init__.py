"""Mail: receiving over SMTP, what becomes of it, and the DKIM keys and records of a domain."""
