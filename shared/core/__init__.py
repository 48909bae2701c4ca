"""Building blocks without knowledge of any feature: errors, naming rules, HTTP, encryption, signatures, logs."""
