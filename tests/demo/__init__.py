"""Tests of Acme Cloud, the demo provider."""
