"""Tuning: what a trial tries, how it is judged on select images, and which one is chosen."""
