"""Stands in the way of the SDK of OpenTelemetry, which few users have, in the processes that tests start.

redis-py imports it wherever it is installed: that was a sixth of what it takes to start and stop a worker.
"""

raise ImportError("the tests keep the SDK of OpenTelemetry from the processes that they start")
