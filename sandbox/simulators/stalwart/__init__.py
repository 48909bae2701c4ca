"""The stand-in for Stalwart 0.16: management over JMAP."""
