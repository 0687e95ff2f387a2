"""The message protocols of the streams: one module a provider, pure, so that each can be tried message by message."""
