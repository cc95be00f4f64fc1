"""The graph of events: who sends what from where, who handles it and what that sends in turn; its findings."""
