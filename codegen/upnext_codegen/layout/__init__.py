"""How a repository is laid out, from what its pyproject.toml files say: settings, workspace members, import roots."""
