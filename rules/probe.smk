# How good are the maps? Off unless the config asks for it.
rule probe:
    input:
        unpack(RULES.input("probe")),
    output:
        **RULES.output("probe"),
    log:
        RULES.log("probe"),
    benchmark:
        RULES.benchmark("probe")
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(240),
        gpu_jobs=1,
    params:
        job=RULES.params("probe"),
    script:
        "../workflow_scripts/probe.py"
