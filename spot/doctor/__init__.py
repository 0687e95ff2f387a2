"""`manage.py doctor`: what is wrong with a site's configuration and surroundings, and its remedy. Changes nothing."""
