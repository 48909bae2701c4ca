"""Sign-ins: storing tokens on disk and renewing them."""
