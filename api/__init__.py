"""retrigger: events become machine-learning work, exactly once."""
