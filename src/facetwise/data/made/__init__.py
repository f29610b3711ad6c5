"""The made contest: drawn people with hidden labels, for the demo and the tests."""
