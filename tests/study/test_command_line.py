"""Options with which Snakemake would do something else than was meant are refused."""

from __future__ import annotations

import pytest

from rightreasons.core.errors import UserError
from rightreasons.study.command_line import refuse_repeated

FINE = [
    [],
    ["--cores", "2"],
    ["--cores", "2", "--configfile", "a.yaml", "b.yaml"],
    ["--configfile=a.yaml", "--config", "training={epochs: 2}"],
    ["--config", "seeds=[0]", "--configfiles", "a.yaml", "-n"],
]
REPEATED = [
    ["--configfile", "a.yaml", "--configfile", "b.yaml"],
    ["--configfile=a.yaml", "--cores", "1", "--configfile=b.yaml"],
    ["--configfiles", "a.yaml", "-n", "--configfile", "b.yaml"],
    ["--configf", "a.yaml", "--config", "seeds=[0]", "--configfile=b.yaml"],
]


@pytest.mark.parametrize("arguments", FINE)
def test_one_option_with_any_files_is_fine(arguments: list[str]) -> None:
    refuse_repeated(["snakemake", *arguments])


@pytest.mark.parametrize("arguments", REPEATED)
def test_files_that_snakemake_would_pass_over_are_refused(arguments: list[str]) -> None:
    with pytest.raises(UserError, match=r"given 2 times.*--configfile a\.yaml b\.yaml"):
        refuse_repeated(["snakemake", *arguments])
