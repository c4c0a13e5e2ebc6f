"""Exactly once under fire: workers that are killed at any moment, deliveries that come again, answers that get lost."""
