"""Tests of the console. They share a platform, which ends with the last of them: fixtures of scope `package`."""
