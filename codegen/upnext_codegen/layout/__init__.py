"""The layout of a repository, from its pyproject.toml files: settings, workspace members, import roots."""
