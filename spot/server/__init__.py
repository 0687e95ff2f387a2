"""The listening socket and the two servers behind it."""
