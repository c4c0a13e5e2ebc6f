"""The `retrigger` command."""
