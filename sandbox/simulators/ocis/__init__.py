"""The stand-in for ownCloud Infinite Scale: project spaces over LibreGraph."""
