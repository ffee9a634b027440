rule debias:
    input:
        unpack(RULES.input("debias")),
    output:
        **RULES.output("debias"),
    log:
        RULES.log("debias"),
    benchmark:
        RULES.benchmark("debias")
    wildcard_constraints:
        method=one_of(RULES.plan.grid.methods(changes="weights")),
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu_jobs=1,
    params:
        job=RULES.params("debias"),
    script:
        "../workflow_scripts/debias.py"


# Methods that change decisions only read stored predictions: they need no GPU.
use rule debias as decide with:
    wildcard_constraints:
        method=one_of(RULES.plan.grid.methods(changes="decision")),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
