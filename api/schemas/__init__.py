"""Request and response schemas, one package per kind of resource."""
