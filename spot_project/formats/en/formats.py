"""How the admin writes times: one way everywhere, with the zone (`providers.admin.words.moment` writes them alike)."""

DATE_FORMAT = SHORT_DATE_FORMAT = "j M Y"
TIME_FORMAT = r"H:i:s \U\T\C"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = r"j M Y, H:i:s \U\T\C"
