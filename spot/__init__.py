"""Serving snapshots: store, query, feeds, wire, hub, consumers."""
