"""The only place that knows a technology."""
