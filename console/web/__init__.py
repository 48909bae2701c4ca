"""What all pages share: security headers, the API, forms, lists, words for times and states."""
