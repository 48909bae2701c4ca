"""Simulator of Stalwart 0.16: management over JMAP, and receiving mail over SMTP."""
