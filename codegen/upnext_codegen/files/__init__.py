"""Which files a project has, and what is known of them without reading them again."""
