"""Routes, one package per kind of resource."""
