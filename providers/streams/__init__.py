"""Providers' streams: one worker each, its connection, and what it leaves in Redis."""
