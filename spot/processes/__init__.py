"""The processes of one machine: supervisor, private Redis, secrets of Compose."""
