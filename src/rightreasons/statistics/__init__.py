"""Intervals, tests and associations."""
