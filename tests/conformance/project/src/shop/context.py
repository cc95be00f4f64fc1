"""What a handler asks about its job."""

from datetime import datetime
from typing import assert_type

import upnext


# feature: `Context` in a handler, `get_current_context()`
def good() -> None:
    context = upnext.get_current_context()
    assert_type(context, upnext.Context)
    assert_type((context.job_id, context.attempt, context.max_attempts), tuple[str, int, int])
    assert_type((context.event, context.event_id, context.handler), tuple[str, str, str])
    assert_type(context.deadline, datetime)


def bad() -> None:
    upnext.get_current_context().attempts  # E
    number: int = upnext.get_current_context().job_id  # E
    print(number)
