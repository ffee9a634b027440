rule fetch:
    output:
        **RULES.output("fetch"),
    log:
        RULES.log("fetch"),
    benchmark:
        RULES.benchmark("fetch")
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        job=RULES.params("fetch"),
    script:
        "../workflow_scripts/fetch.py"
