"""A worker at work: fetch, execute, settle, and the upkeep that living workers do for the rest."""
