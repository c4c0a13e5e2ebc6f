"""The hosts that functions run under."""
