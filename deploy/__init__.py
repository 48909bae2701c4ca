"""Deployment: containers, blueprints, monitoring and manifests."""
