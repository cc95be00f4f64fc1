"""All handlers of an event to one contract, or a finding that says why there is none."""
