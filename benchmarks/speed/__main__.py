"""The command: measure, print a table, write Parquet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from . import explainers, losses, methods, metrics, pool, regions, searches, train
from .measure import Comparison, compare, cores
from .options import Options
from .report import markdown, table

Part = Callable[[Options], Iterator[Comparison]]

PARTS: dict[str, tuple[Part, ...]] = {
    "pool": (pool.comparisons,),
    "input": (train.inputs,),
    "train": (train.training,),
    "methods": (methods.comparisons, losses.comparisons, searches.comparisons),
    "explainers": (explainers.comparisons,),
    "families": (explainers.families,),
    "metrics": (metrics.comparisons,),
    "regions": (regions.comparisons,),
}


def main() -> None:
    """Measure the parts that were asked for."""
    args = arguments()
    if args.markdown:
        print(markdown(pd.read_parquet(args.markdown)))
        return
    options = Options(args.root, args.cores, args.quantus, args.toy)
    if args.quantus is None and "metrics" in args.only:
        print("Quantus is left out: --quantus PYTHON names the one to use.", file=sys.stderr)
    rows = []
    for name in args.only:
        for part in PARTS[name]:
            for comparison in part(options):
                rows.append(compare(comparison, args.repeats, args.clock, 0 if args.toy else 0.1))
                print(f"{name}: {comparison.what}: {rows[-1]['ratio']:.3g}", file=sys.stderr)
    frame = pd.DataFrame(rows)
    frame.to_parquet(args.out, index=False)
    print(table(frame))


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="benchmarks.speed", description=__doc__)
    parser.add_argument("--only", type=parts, default=list(PARTS), help=",".join(PARTS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/speed.parquet"))
    parser.add_argument("--root", type=Path, default=Path("data"), help="the data folder")
    parser.add_argument("--cores", type=int, default=cores())
    parser.add_argument("--quantus", help="the Python of an environment with Quantus")
    parser.add_argument(
        "--clock",
        choices=["wall", "processor"],
        default="wall",
        help="processor time (with ended child processes) where other work disturbs",
    )
    parser.add_argument("--toy", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument("--markdown", type=Path, help="print the tables of a Parquet file, and end")
    return parser.parse_args()


def parts(text: str) -> list[str]:
    """Return the names of parts in a comma-separated list."""
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    return names


main()
