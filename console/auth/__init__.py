"""Sign-in: who is at the browser, with which tokens, and for how long."""
