"""An old and a new version side by side, on one database and one Redis; backup and rescue."""
