"""Local servers that behave on the wire as Authentik, Stalwart and OCIS do, faults included."""
