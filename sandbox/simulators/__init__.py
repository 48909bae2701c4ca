"""Local servers with the wire behaviour of Authentik, Stalwart, OCIS, Stripe and DNS, including faults."""
