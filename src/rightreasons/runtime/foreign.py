"""The suite as a module of another workflow: its profile and its lock hold there, too.

Snakemake gives a module's rules other names, which a profile does not know, and passes over a
module's `onstart`. What is changed here is Snakemake's own (9.27), as no option does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

#: Rules that are no stages.
MORE = ("decide", "tune_decisions")


def is_ours(rule: str, stages: Iterable[str]) -> bool:
    """Return whether the suite has a rule of that name, before it is renamed."""
    return rule in MORE or rule.startswith("figure_") or rule in stages


def share_settings(settings: Any, rename: Callable[[str], str], stages: Iterable[str]) -> None:
    """Let resources and threads of a profile hold for the suite's rules under other names.

    Parameters
    ----------
    settings
        Snakemake's settings of resources, which get more entries; those of the new names stay.
    rename
        From a rule's name to the one that the other workflow gives it.
    stages
        The suite's stages.
    """
    for known in (settings._parsed_overwrite_resources, settings._parsed_overwrite_threads):
        for rule in [rule for rule in known if is_ours(rule, stages)]:
            known.setdefault(rename(rule), known[rule])


def share_groups(settings: Any, rename: Callable[[str], str], stages: Iterable[str]) -> None:
    """Let a profile's groups hold for the suite's rules under other names.

    Parameters
    ----------
    settings
        Snakemake's settings of groups, which get more entries.
    rename, stages
        As in `share_settings`.
    """
    known = dict(settings.overwrite_groups)
    for rule in [rule for rule in known if is_ours(rule, stages)]:
        known.setdefault(rename(rule), known[rule])
    settings.overwrite_groups = known


def join_hooks(workflow: Any, start: Callable[[], None], end: Callable[[], None]) -> None:
    """Call functions at the start and the good end of another workflow, beside what it does itself.

    Parameters
    ----------
    workflow
        Snakemake's, whose files have all been read.
    start, end
        What to call first at the start, and last at the end.
    """
    before, after = workflow._onstart, workflow._onsuccess

    def on_start(log: Any) -> None:
        start()
        before(log)

    def on_success(log: Any) -> None:
        after(log)
        end()

    workflow._onstart, workflow._onsuccess = on_start, on_success
