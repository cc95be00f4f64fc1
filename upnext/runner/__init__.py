"""A running worker: claim, execute, settle, and the maintenance that living workers share."""
