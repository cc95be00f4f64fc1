"""The ended jobs whose outcome the server does not accept: how many, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.activity import Unstored
from upnext.broker.failures import FailureKind, classify, describe_failure
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upnext.broker.claims import Claim

_SHOWN_AFTER = 5  # failures in a row: about a second


class UnstoredEnds:
    """Records ends that could not be stored, until they are; may be read in any thread."""

    def __init__(self) -> None:
        # The cause, and whether it lies in the server or the connection and so concerns all jobs.
        self._causes: dict[tuple[str, str], tuple[str, bool]] = {}
        self._reported = False

    @property
    def record(self) -> Unstored | None:
        """The entry in the worker's record, None if all ends are stored, or have been failing only briefly."""
        causes = list(self._causes.values())
        return Unstored(len(causes), causes[0][0]) if causes else None

    @property
    def trouble(self) -> str:
        """Reason that no job of the worker can be ended, or an empty string."""
        general = [cause for cause, is_general in list(self._causes.values()) if is_general]
        return f"the end of {len(general):,} job(s) cannot be stored: {general[0]}" if general else ""

    def failed(self, claims: Iterable[Claim], failures: int, error: BaseException) -> None:
        """Record that jobs could not be ended so many times in a row."""
        self._reported = True
        if failures >= _SHOWN_AFTER:
            kind = classify(error) if isinstance(error, Exception) else FailureKind.FAULT
            cause = describe_failure(error), kind is not FailureKind.FAULT
            self._causes.update(dict.fromkeys(map(_key, claims), cause))

    def stored(self, claims: Iterable[Claim], left: int) -> None:
        """Record that jobs were ended, or are others' now, and how many ends are still to be stored."""
        if not self._reported:
            return
        for claim in claims:
            self._causes.pop(_key(claim), None)
        if not self._causes and not left:
            self._reported = False
            log.info("Stores the ends of jobs again")


def _key(claim: Claim) -> tuple[str, str]:
    return claim.field, claim.fencing_token
