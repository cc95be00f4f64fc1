"""Who sends which event from where, who handles it, and what that sends in turn; and what is wrong with it."""
