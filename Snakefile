from snakemake.utils import min_version

min_version("9.0")

if (
    not config
):  # a config without `study` is a mistake, and no layer over the default study

    configfile: str(workflow.current_basedir.join("config.yaml"))


include: "rules/common.smk"
include: "rules/fetch.smk"
include: "rules/pool.smk"
include: "rules/split.smk"
include: "rules/region.smk"
include: "rules/train.smk"
include: "rules/debias.smk"
include: "rules/explain.smk"
include: "rules/measure.smk"
include: "rules/sanity.smk"
include: "rules/tabulate.smk"


rule all:
    default_target: True
    input:
        tables=list(TABLES.values()),


onstart:
    hold_study()


onsuccess:
    forget_jobs(LOCK)
