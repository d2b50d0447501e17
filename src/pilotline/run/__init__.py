"""Plan, carry out, check, publish."""
