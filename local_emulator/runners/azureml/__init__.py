"""Runs pipeline jobs of Azure ML: their command components, in processes of their own."""
