"""The parts of `clients/generate.py`."""
