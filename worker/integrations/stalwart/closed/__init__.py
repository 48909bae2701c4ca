"""Closed mail: accounts that cannot sign in, and mail that is refused or returned."""
