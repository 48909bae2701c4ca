"""Tests of all parts. A folder needs this file only where it has fixtures of scope `package`."""
