"""Azure ML pipeline jobs over Resource Manager: what is sent (request, steps) and the sending (client)."""
