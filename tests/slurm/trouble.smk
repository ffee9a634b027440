# The workflow, with rules that get into trouble on a cluster; profile and guard are the real ones.
include: "Snakefile"


# Takes 800 MB beside Snakemake's 300: too much for the first attempt.
rule hungry:
    output:
        "hungry.txt",
    resources:
        slurm_partition="cpu",
        mem_mb=growing(800),
        runtime=5,
    shell:
        "python -c \"import time; x = b'x' * (800 << 20); time.sleep(6)\"; echo done > {output}"


# Does not end at its first start.
rule slow:
    output:
        "slow.txt",
    resources:
        slurm_partition="cpu",
        mem_mb=1000,
        runtime=growing(1),
    shell:
        "if mkdir slow.started; then sleep 600; fi; echo done > {output}"


# Has written half of its output when its node dies.
rule unlucky:
    output:
        "unlucky.txt",
    resources:
        slurm_partition="frail",
        mem_mb=1000,
        runtime=5,
    shell:
        "if mkdir unlucky.started; then echo half > {output}; sleep 600; fi; echo done > {output}"


# Lasts until it may go; a diary shows whether two of it ever ran at once.
rule lasting:
    output:
        "lasting.txt",
    resources:
        slurm_partition="cpu",
        mem_mb=1000,
        runtime=5,
    shell:
        "echo start >> diary.txt; echo half > {output};"
        " until [ -e go ]; do sleep 0.2; done;"
        " echo end >> diary.txt; echo done > {output}"
