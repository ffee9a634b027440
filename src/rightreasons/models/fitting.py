"""Which dict of a file of weights fits an architecture, and behind which prefix."""

from __future__ import annotations

from dataclasses import dataclass, field

from rightreasons.core.errors import UserError
from rightreasons.models.weight_files import Tensor, WeightsFile, state_dicts


@dataclass(frozen=True)
class Wanted:
    """The tensors of an architecture.

    Attributes
    ----------
    shapes
        By name, without what is left out.
    apart
        Beginnings of names that do not matter: the last layer's, auxiliary heads'.
    loose
        Names of tensors (1, n, d) that may have another n.
    """

    shapes: dict[str, tuple[int, ...]]
    apart: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()

    def takes(self, name: str, shape: tuple[int, ...]) -> bool:
        """Return whether a tensor of this shape can become that of the architecture."""
        wanted = self.shapes[name]
        if name in self.loose:
            return len(shape) == 3 and (shape[0], shape[2]) == (wanted[0], wanted[2])
        return shape == wanted

    def needed(self) -> dict[str, tuple[int, ...]]:
        """Return the tensors that a file must have."""
        return {
            name: shape
            for name, shape in self.shapes.items()
            if not self.aside(name) and not name.endswith("num_batches_tracked")
        }

    def aside(self, name: str) -> bool:
        """Return whether a tensor does not matter."""
        return any(name == one or name.startswith(f"{one}.") for one in self.apart)


@dataclass
class Fit:
    """How one dict of a file, read behind one prefix, fits an architecture.

    Attributes
    ----------
    where, prefix
        The keys that lead to the dict, and what its names begin with.
    names
        The file's name of every tensor, by its name behind the prefix.
    missing, wrong, surplus
        Names that the dict lacks, has in another shape, and that the architecture lacks.
    """

    where: str
    prefix: str
    names: dict[str, str]
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)

    @property
    def off(self) -> int:
        """How many tensors do not fit."""
        return len(self.missing) + len(self.wrong) + len(self.surplus)

    def called(self) -> str:
        """Return what a config calls it."""
        return f"{self.where}:{self.prefix}".strip(":")


#: Steps of names that wrappers put in, wherever they stand.
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "module")
#: Names that wrappers add beside a network's.
BESIDE = ("n_averaged",)


def fits(states: dict[str, dict[str, Tensor]], wanted: Wanted) -> list[Fit]:
    """Return how every dict, behind every prefix that may be one, fits; the best first."""
    found = [
        _fit(where, prefix, names, state, wanted)
        for where, state in states.items()
        for names in [_unwrapped(state, wanted)]
        for prefix in _prefixes(names, wanted)
    ]
    return sorted(found, key=lambda fit: fit.off)


def _unwrapped(state: dict[str, Tensor], wanted: Wanted) -> dict[str, str]:
    """Return a dict's names by what is left of them without the steps of wrappers."""
    own = {step for name in wanted.shapes for step in name.split(".")}
    out = [step for step in WRAPPERS if step not in own]
    return {".".join(s for s in name.split(".") if s not in out): name for name in state}


def _prefixes(names: dict[str, str], wanted: Wanted) -> list[str]:
    """Return what the network's names may begin with, as three of its tensors are called."""
    needed = list(wanted.needed())
    anchors = {needed[0], needed[len(needed) // 2], needed[-1]} if needed else set()
    ends = [
        name.removesuffix(anchor)
        for anchor in sorted(anchors)
        for name in names
        if name == anchor or name.endswith(f".{anchor}")
    ]
    return list(dict.fromkeys(ends)) or [""]


def _fit(
    where: str, prefix: str, names: dict[str, str], state: dict[str, Tensor], wanted: Wanted
) -> Fit:
    behind = {k.removeprefix(prefix): v for k, v in names.items() if k.startswith(prefix)}
    needed = wanted.needed()
    return Fit(
        where,
        prefix,
        behind,
        missing=[name for name in needed if name not in behind],
        wrong=[n for n in needed if n in behind and not wanted.takes(n, state[behind[n]].shape)],
        surplus=[
            name
            for name in behind
            if name not in wanted.shapes and not wanted.aside(name) and name not in BESIDE
        ],
    )


def chosen_fit(
    file: WeightsFile, wanted: Wanted, architecture: str, state: str | None = None
) -> Fit:
    """Return the dict and prefix of a file that fit an architecture.

    Parameters
    ----------
    file
        The file.
    wanted
        The architecture's tensors.
    architecture
        What the config calls it.
    state
        Which of several dicts, as `Fit.called` names it; or the beginning of that.

    Raises
    ------
    UserError
        Where none fits, with what the best one lacks; where several fit, with their names.
    """
    states = state_dicts(file)
    found = fits(states, wanted)
    if state is not None:
        found = [fit for fit in found if state in (fit.called(), fit.where, fit.prefix)]
        if not found:
            raise UserError(
                f"model.state: {file.path} has no weights of {architecture} called {state!r}. "
                f"Allowed: {', '.join(_called(fits(states, wanted))) or 'none'}."
            )
    full = [fit for fit in found if fit.off == 0]
    if len(full) == 1:
        return full[0]
    if full:
        raise UserError(
            f"model.weights: {file.path} has {len(full)} sets of weights that fit {architecture}: "
            f"{', '.join(_called(full))}. Say which: `model.state: {_called(full)[0]}`."
        )
    raise _misfit(file, states, found[0], architecture)


def _called(found: list[Fit]) -> list[str]:
    return [fit.called() or "''" for fit in found]


def _misfit(
    file: WeightsFile, states: dict[str, dict[str, Tensor]], best: Fit, architecture: str
) -> UserError:
    parts = [
        f"{len(names)} {what} ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"
        for what, names in (
            ("are missing", best.missing),
            ("have another shape", best.wrong),
            ("are surplus", best.surplus),
        )
        if names
    ]
    state = states[best.where]
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    keys = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    under = f" under {best.where!r}" if best.where else ""
    return UserError(
        f"model.weights: {file.path} ({architecture}) do not fit, the last layer aside: of the "
        f"tensors, {'; '.join(parts)}. The file has{under}: {keys}. Name the architecture that "
        "they were trained with."
    )
