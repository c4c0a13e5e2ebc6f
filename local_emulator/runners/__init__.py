"""What really executes a compiled pipeline, in processes of its own."""
