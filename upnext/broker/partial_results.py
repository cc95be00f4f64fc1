"""Reads a namespace of which some partitions cannot be reached, and records which ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.failures import FailureKind, classify, describe_failure
from upnext.broker.redis_types import RedisError
from upnext.broker.status import UnreachablePartition
from upnext.errors import BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.broker import Broker


class PartialResultError(BrokerUnavailableError):
    """Raised when everything was read except some partitions.

    Attributes:
        unseen: Those partitions.
    """

    def __init__(self, unseen: Sequence[UnreachablePartition]) -> None:
        self.unseen = tuple(unseen)
        parts = ", ".join(f"{one.partition} ({one.reason})" for one in unseen)
        # How many partitions there are is noted in the first.
        more = "; there may be more than UPNEXT_PARTITIONS says" if unseen[0].partition == 0 else ""
        super().__init__(f"Partial result: no response from partition {parts}{more}.")


class PartialResults:
    """Records the partitions that do not answer.

    Args:
        partitions: How many are asked.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self.unseen: list[UnreachablePartition] = []

    def miss(self, partition: Broker, error: BaseException, *, in_part: bool = False) -> None:
        """Note why a partition cannot be read.

        Args:
            partition: The partition.
            error: What was raised.
            in_part: Whether something was read before, of this partition or of another one.

        Raises:
            BaseException: The error itself, if it is none of the server's, or if nothing at all can be read.
        """
        if not isinstance(error, (RedisError, OSError)) or classify(error) is FailureKind.REFUSED:
            raise error
        self.unseen.append(UnreachablePartition(partition.keys.partition, describe_failure(error)))
        if len(self.unseen) == self._partitions and not in_part:
            raise error

    def close(self) -> None:
        """Raise `PartialResultError` if something could not be read."""
        if self.unseen:
            raise PartialResultError(self.unseen)
