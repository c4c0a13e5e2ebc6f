"""The bank-churn example: a pipeline, its trigger, its environments."""
