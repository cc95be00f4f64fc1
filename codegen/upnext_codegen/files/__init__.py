"""The files of a project, and what is known about them without reading them again."""
