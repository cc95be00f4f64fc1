"""A name that upnext does not have is an error where it is imported, and where it is used."""

import upnext
from upnext import Worker, Wroker  # E

worker = Worker("misspelt")


def job(receipt: upnext.Receit) -> None:  # E
    upnext.get_current_contxt  # E
