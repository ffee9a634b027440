"""Audit a model that was trained elsewhere: a report on its groups, where it looks, what sways it.

    rightreasons audit --model resnet18.pth --architecture resnet18 --images photos/ \
        --attributes labels.csv --target "smile == 1" --protected gender --out my_audit

Nothing is trained and no GPU is needed. Underneath is a study like any other
(OUT/study.yaml): the same command goes on after an interruption, and its tables lie in
OUT/results/audit/tables.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rightreasons.audit.study import EXPLAINERS, FACE_MARKS, MARKS, STUDY, Asked, config_of
from rightreasons.core.errors import UserError
from rightreasons.core.files import whole
from rightreasons.core.registry import suggestion
from rightreasons.core.user_paths import expanded
from rightreasons.models.facts import HF, TIMM
from rightreasons.saliency import EXPLAINERS as KNOWN
from rightreasons.study.load import load_config, read_yaml
from rightreasons.study.plan import Plan

SNAKEFILE = Path(__file__).parents[3] / "Snakefile"
CONFIG, REPORT = "study.yaml", "report.html"
#: What has to be said of a new audit.
NEEDED = ("model", "images", "target", "protected")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an audit and return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        folder = Path(expanded(str(given.out), "--out")).absolute()
        if not given.again:
            config = config_of(asked_of(given), folder)
            load_config(config, [folder])  # mistakes end here
            folder.mkdir(parents=True, exist_ok=True)
            _write(yaml.safe_dump(config, sort_keys=False).encode(), folder / CONFIG)
        if given.config_only:
            print(f"{folder / CONFIG} is written, and nothing was run.")
            return 0
        run(folder, given.cores)
        written = report(folder, show_images=given.show_images, pdf=not given.no_pdf)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(["", "Read first:", *(f"  {path}" for path in written)]))
    return 0


def report(folder: Path, *, show_images: bool, pdf: bool) -> list[Path]:
    """Write the report of an audit whose study has run, and return its files.

    Parameters
    ----------
    folder
        Of the audit.
    show_images
        Whether single images may be shown.
    pdf
        Whether it is written as PDF, too.
    """
    from rightreasons.audit.findings import document_of
    from rightreasons.audit.html import as_html
    from rightreasons.audit.pdf import as_pdf

    plan = Plan(load_config(read_yaml(folder / CONFIG), [folder]))
    document = document_of(plan, show_images=show_images)
    html = folder / REPORT
    _write(as_html(document).encode(), html)
    if not pdf:
        return [html]
    _write(as_pdf(document), html.with_suffix(".pdf"))
    return [html, html.with_suffix(".pdf")]


def _write(content: bytes, path: Path) -> None:
    with whole(path) as part:
        part.write_bytes(content)


def asked_of(given: argparse.Namespace) -> Asked:
    """Return what a command line asks for.

    Raises
    ------
    UserError
        For files that are not there, and options that are missing or do not go together.
    """
    missing = [f"--{name}" for name in NEEDED if getattr(given, name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)}: missing. A new audit needs them; --again runs the study.yaml "
            "in --out once more, as you may have edited it."
        )
    return Asked(
        model=_model(given),
        dataset=_dataset(given),
        target=given.target,
        protected=given.protected,
        roi=_roi(given),
        explainers=_explainers(given.explainers),
        marks=_marks(given),
        images=given.max_images,
        maps=given.maps,
        seed=given.seed,
    )


def _model(given: argparse.Namespace) -> dict[str, Any]:
    """Return the config's keys about the network."""
    path = _path(given, "model")
    if not path.exists():
        raise UserError(f"--model: {given.model} does not exist. Give a file, or a folder of a "
                        "Hugging Face model.")  # fmt: skip
    if path.is_dir():
        model: dict[str, Any] = {"architecture": f"hf:{path}"}
    elif given.architecture is None:
        raise UserError(
            "--architecture is missing: a file of weights does not say of which network they are. "
            "Give torchvision's name (resnet18), timm:NAME, or torchscript or torch_export for a "
            "program."
        )
    else:
        model = {"architecture": given.architecture, "weights": str(path)}
    for key in ("positive", "negative", "classes"):
        if getattr(given, key) is not None:
            outputs = [int(one) if one.isdigit() else one for one in getattr(given, key)]
            model[key] = outputs[0] if len(outputs) == 1 and key != "classes" else outputs
    if given.activation != "auto":
        model["activation"] = given.activation
    told = {"size": given.size, "mean": given.mean, "std": given.std, "range": given.range}
    told = {key: value for key, value in told.items() if value is not None}
    if told or not model["architecture"].startswith((HF, TIMM)):  # those say it themselves
        model["input"] = told
    return model


def _dataset(given: argparse.Namespace) -> dict[str, Any]:
    """Return the config's keys about the images."""
    images = _path(given, "images")
    if not images.exists():
        raise UserError(f"--images: {given.images} does not exist. Give a folder or an archive.")
    table = None if given.attributes is None else _path(given, "attributes")
    if table is not None and not table.exists():
        raise UserError(f"--attributes: {given.attributes} does not exist. Give a CSV or Parquet "
                        "file with a row per image.")  # fmt: skip
    chosen = {
        "root": str(images.parent),
        "images": images.name,
        "attributes": None if table is None else str(table),
        "size": given.pool_size or given.size or 224,
        "pad": given.pad,
    }
    columns = {"id_column": given.id_column, "identity_column": given.identity_column}
    return {**chosen, **{key: name for key, name in columns.items() if name}}


def _path(given: argparse.Namespace, option: str) -> Path:
    return Path(expanded(str(getattr(given, option)), f"--{option}")).absolute()


def _roi(given: argparse.Namespace) -> list[float] | None:
    return list(given.roi) if given.roi else None


def _explainers(names: Sequence[str] | None) -> dict[str, Any]:
    if not names:
        return EXPLAINERS
    for name in names:
        if name not in KNOWN.names():
            raise UserError(
                f"--explainers: unknown explainer {name!r}{suggestion(name, KNOWN.names())} "
                f"Allowed: {', '.join(KNOWN.names())}."
            )
    return {name: EXPLAINERS.get(name, {}) for name in names}


def _marks(given: argparse.Namespace) -> dict[str, Any]:
    """Return what is laid over the images: the built-in marks, those of faces, the user's own."""
    marks = {} if given.no_marks else dict(MARKS)
    if given.faces:
        marks |= FACE_MARKS
    for text in given.mark or []:
        name, _, keys = text.partition("=")
        try:
            chosen = yaml.safe_load(keys or "{}")
        except yaml.YAMLError as error:
            raise UserError(f"--mark {text!r} is no YAML: {error}") from None
        if not isinstance(chosen, dict):
            raise UserError(
                f"--mark {text!r}: after the name come its parameters, such as "
                "'logo={kind: watermark, text: \"(c) me\"}'."
            )
        marks[name] = chosen
    return marks


def run(folder: Path, cores: int) -> None:
    """Run the study; Snakemake says what it does, and goes on where it was interrupted."""
    if not (folder / CONFIG).is_file():
        raise UserError(f"there is no {folder / CONFIG}: --out is no folder of an audit.")
    if not SNAKEFILE.is_file():
        raise UserError(
            f"the workflow is not at {SNAKEFILE}. Run the audit from a checkout of Right Reasons, "
            f"or: snakemake --configfile {folder / CONFIG} in one."
        )
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE)]
    command += ["--configfile", str(folder / CONFIG), "--directory", str(folder)]
    command += ["--cores", str(cores), "--keep-going"]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise UserError(
            f"the study did not end well: what is wrong stands above, logs lie in "
            f"{folder / 'results' / STUDY / 'logs'}. The same command goes on from there."
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "rightreasons audit",
        description=(__doc__ or "").partition("\n\n")[0],
        epilog="docs/audit.md has examples.",
    )
    add = parser.add_argument
    add(
        "--model",
        type=Path,
        help="file of weights or program, or Hugging Face folder",
    )
    add("--architecture", help="resnet18, ..., timm:NAME, torchscript, torch_export")
    add("--images", type=Path, help="folder or archive of images")
    add("--attributes", type=Path, help="table with a row per image; without it images lie in "
        "folders by class, whose name is the attribute `label`")  # fmt: skip
    add("--target", help="what the model predicts, an attribute or expression")
    add("--protected", nargs="+", help="what must not matter: an attribute or "
        "expression, several for an intersection")  # fmt: skip
    add("--out", type=Path, default=Path("audit"), help="folder of the audit")
    add("--roi", type=float, nargs=4, metavar=("X0", "Y0", "X1", "Y1"),
        help="where the protected attribute is to be seen, in fractions of the image")  # fmt: skip
    add("--explainers", nargs="+", help=f"default: {' '.join(EXPLAINERS)}")
    add(
        "--positive", nargs="+", help="the outputs (from 0, or labels) that say target 1; default 1"
    )
    add("--negative", nargs="+", help="the outputs that say target 0; default: all others")
    add("--classes", nargs="+", help="of more than two classes: the output of each, in the order "
        "of the target's values")  # fmt: skip
    add("--activation", choices=["auto", "softmax", "sigmoid"], default="auto")
    add("--size", type=int, help="side of the network's images in pixels")
    add("--mean", type=float, nargs=3, help="default: what timm or a folder says, else ImageNet's")
    add("--std", type=float, nargs=3, help="default: what timm or a folder says, else ImageNet's")
    add("--range", type=float, nargs=2, help="values of black and white, default 0 1")
    add("--pool-size", type=int, help="side of the images that are kept; default: --size, or 224")
    add("--pad", action="store_true", help="bars around images that are no squares, in place of "
        "their central square")  # fmt: skip
    add("--id-column", help="column of the table with the images' names; default image_id")
    add("--identity-column", help="column with who is shown")
    add("--max-images", type=int, default=2000, help="most images that are predicted")
    add("--maps", type=int, default=64, help="images that are explained")
    add("--mark", action="append", metavar="NAME={...}", help="lay this over the images, too: "
        "keys of an artifact (docs/artifacts.md)")  # fmt: skip
    add("--faces", action="store_true", help="lay glasses, hat and necktie over them: faces that "
        "are aligned as CelebA's")  # fmt: skip
    add("--no-marks", action="store_true", help="without the built-in marks")
    add("--show-images", action="store_true", help="show single images in the report")
    add("--no-pdf", action="store_true", help="write the HTML report alone")
    add("--cores", type=int, default=1, help="jobs at a time")
    add("--seed", type=int, default=0)
    add("--again", action="store_true", help="run the study.yaml in --out once more, as it is, and "
        "write the report anew")  # fmt: skip
    add("--config-only", action="store_true", help="write the study's config and run nothing")
    return parser
