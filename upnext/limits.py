"""Every limit that keeps the runtime's work bounded, with what happens when it is reached."""

from __future__ import annotations

from typing import Final

MAX_PARTITIONS: Final = 64
"""Partitions of a namespace: a worker process has three connections and a thread for each. A setting above it
is refused, a number above it on the server counts as 1."""

MAX_HANDLERS: Final = 1000
"""Handlers of one event, as publish.lua has it too. Sends of an event with more subscriptions are refused."""

MAX_KEY_LENGTH: Final = 200
"""Characters of an idempotency key. A longer one is refused."""

MAX_DELAY: Final = 366 * 24 * 3600.0
"""Seconds of a send's delay. A longer one is refused."""

MAX_BACKLOG: Final = 64_000_000
"""Bytes of payloads that wait in one event loop to be stored. Further sends wait before their payload is encoded."""

MAX_SHOWN: Final = 300
"""Characters of a name that a log line shows, more than upnext gives to any. The rest is left out."""

MAX_FOREIGN_KEYS: Final = 1000
"""Keys of another program that one process tells of. Further ones are handled in the same way, without a line."""

MAX_LEASES_READ: Final = 1000
"""Leases about to run out that one survey reads. The rest is read once these have been renewed or taken away."""

MAX_CLAIM_PAGES: Final = 50
"""Pages of a dead worker's claims that one look reads in search of one that can be read. The next goes on there."""

MAX_DELAYED_COUNTED: Final = 10_000
"""Jobs that are put off and counted handler by handler. More of them are counted only all together."""

MAX_STALE_REPLIES: Final = 10
"""Changes of an event's subscriptions in a row between two tries of a send. It is then tried again after a pause."""

MAX_ROUTE_RACES: Final = 10
"""Other workers in a row that move the events of a first handler. Subscribing is then tried again after a pause."""

MAX_REDIRECTS: Final = 5
"""Redirects in a row between the nodes of a cluster. The error is then reported: the nodes disagree about the slot."""

MAX_CONTRACT: Final = 64_000
"""Bytes of one handler's JSON Schema that its worker publishes. A larger one is left out, and its handler published
without."""

MAX_CONTRACT_DEPTH: Final = 100
"""Levels of objects and lists in one handler's JSON Schema. With more it is left out as if it were too large: what
reads it calls itself at each level."""

MAX_CONTRACTS: Final = 4_000_000
"""Bytes of all JSON Schemas that one worker publishes. Handlers beyond it, by name, are published without theirs."""

MAX_RELEASE: Final = 100
"""Characters of `UPNEXT_RELEASE` that a worker publishes. The rest is left out."""

MAX_JOBS_CHECKED: Final = 1_000_000
"""Waiting jobs of a namespace whose payloads `upnext gen --against` looks at. Of more of them it looks at a sample."""

MAX_HANDLER_LIMIT: Final = 10_000
"""The greatest `limit` of a handler, and the most starts of its `rate`: the server keeps an entry for each. A greater
number is refused."""
