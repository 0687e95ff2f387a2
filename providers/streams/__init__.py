"""Providers' streams: one worker per provider, its connection, and its state in Redis."""
