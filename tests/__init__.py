"""Tests, one folder for each room; a package, so that tests/train is not taken for train."""
