"""The newest snapshots of one web process, the groups that watch them, and the fan-out."""
