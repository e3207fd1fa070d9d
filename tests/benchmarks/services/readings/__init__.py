"""Upserts: the last value of each of 10,000 sensors."""
