"""Backup and restore of a site: what cannot be fetched again, in one file that restores into SQLite and PostgreSQL."""
