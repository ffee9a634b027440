"""What a person has to hear of a job, though nothing is wrong: at the terminal and in the log."""

from __future__ import annotations

import logging
import sys


def tell(message: str) -> None:
    """Write one line to the terminal and to the job's log.

    Parameters
    ----------
    message
        What was taken or left out, with counts.
    """
    logging.info(message)
    print(message, file=sys.stderr, flush=True)
