"""Objects of the registry: types, values, patches, ids, unique keys, references and queries."""
