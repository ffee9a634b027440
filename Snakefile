from snakemake.utils import min_version

min_version("9.0")

# The default study, for `--config` alone too. A file without `study` is a mistake, and no layer over it.
if "study" not in config and not workflow.overwrite_configfiles:

    configfile: str(workflow.current_basedir.join("config.yaml"))


include: "rules/common.smk"
include: "rules/fetch.smk"
include: "rules/pool.smk"
include: "rules/split.smk"
include: "rules/region.smk"
include: "rules/train.smk"
include: "rules/tune.smk"
include: "rules/debias.smk"
include: "rules/explain.smk"
include: "rules/measure.smk"
include: "rules/witness.smk"
include: "rules/sanity.smk"
include: "rules/probe.smk"
include: "rules/universe.smk"
include: "rules/compare.smk"
include: "rules/tabulate.smk"
include: "rules/figure.smk"


rule all:
    default_target: True
    input:
        tables=list(TABLES.values()),
        figures=[RULES.output(f"figure_{name}")["drawings"] for name in FIGURES],


onstart:
    hold_study()


onsuccess:
    end_study()


onerror:
    show_end()
