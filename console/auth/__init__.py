"""Sign-in: sessions, tokens and rights of the signed-in person."""
