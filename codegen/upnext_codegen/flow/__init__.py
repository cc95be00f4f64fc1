"""What certainly happens inside functions: when a call runs, what is called, which fields are used."""
