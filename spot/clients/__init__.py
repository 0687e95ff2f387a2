"""The clients, and how much each may use."""
