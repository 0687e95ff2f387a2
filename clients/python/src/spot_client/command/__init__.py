"""The command `spot`: `watch`, `get` and `tail` for terminals and pipes."""
