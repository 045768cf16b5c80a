"""Weather stations, what they say, and who listens."""
