"""Settings of other tools that a project needs to have its sends checked: proposed, never overwritten."""
