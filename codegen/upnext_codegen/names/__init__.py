"""What a name stands for, across modules, without importing any."""
