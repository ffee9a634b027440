rule tune:
    input:
        unpack(RULES.input("tune")),
    output:
        **RULES.output("tune"),
    log:
        RULES.log("tune"),
    benchmark:
        RULES.benchmark("tune")
    wildcard_constraints:
        method=one_of(RULES.plan.grid.methods(changes="weights")),
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(720),
        gpu_jobs=1,
    params:
        job=RULES.params("tune"),
    script:
        "../workflow_scripts/tune.py"


# Trials of methods that change decisions only need no GPU.
use rule tune as tune_decisions with:
    wildcard_constraints:
        method=one_of(RULES.plan.grid.methods(changes="decision")),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),


rule choose:
    input:
        unpack(RULES.input("choose")),
    output:
        **RULES.output("choose"),
    log:
        RULES.log("choose"),
    benchmark:
        RULES.benchmark("choose")
    wildcard_constraints:
        at=r"together|-?[0-9.e]+(e-?\d+)?",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        job=RULES.params("choose"),
    script:
        "../workflow_scripts/choose.py"
