"""The clients of Spot, and the generator of what they know of the feeds."""
