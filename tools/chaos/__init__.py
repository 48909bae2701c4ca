"""A storm over the whole platform, made from one seed, and the laws that must hold when it is over."""
