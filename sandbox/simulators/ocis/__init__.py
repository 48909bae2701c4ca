"""Simulator of ownCloud Infinite Scale (OCIS) and OpenCloud: project spaces over LibreGraph."""
