"""HTTP and credentials, for every adapter that speaks to a cloud."""
