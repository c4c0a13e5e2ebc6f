"""The shared core: decides on one event, and launches exactly once."""
