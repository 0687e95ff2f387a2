"""The message protocols of the streams: one pure module per provider, testable message by message."""
