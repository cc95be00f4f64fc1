"""pytest fixtures for applications that send events: what was sent, handlers run inline, real workers in a test.

What `upnext_contracts` is needs hypothesis, and is imported from `upnext_pytest.contracts`.
"""

from __future__ import annotations

from upnext_pytest.sends import Sends as Sends
from upnext_pytest.sends import Sent as Sent
from upnext_pytest.workers import RunWorkers as RunWorkers
from upnext_pytest.workers import Workers as Workers

__all__ = ["RunWorkers", "Sends", "Sent", "Workers"]
