"""What happens inside functions, as far as it is certain: when a call runs, what is called, which fields are used."""
