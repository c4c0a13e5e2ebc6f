"""Checks before money is spent: `checks` are pure and come before the claim, the data gate reads the file after it."""
