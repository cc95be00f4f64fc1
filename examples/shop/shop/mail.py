"""The mail provider. This one writes to the log instead, and refuses as many mails as it is told to, at first."""

import logging
import os

log = logging.getLogger("shop")


class MailRefusedError(Exception):
    """The provider does not take mails at the moment."""


class MailProvider:
    def __init__(self, refusals: int) -> None:
        self._refusals = refusals

    async def deliver(self, to: str, subject: str) -> None:
        if self._refusals > 0:
            self._refusals -= 1
            raise MailRefusedError("421 try again later")
        log.info("mail to %s: %s", to, subject)


mail = MailProvider(refusals=int(os.environ.get("SHOP_MAIL_REFUSALS", "0")))
