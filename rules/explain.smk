rule explain:
    input:
        unpack(RULES.input("explain")),
    output:
        **RULES.output("explain"),
    log:
        RULES.log("explain"),
    benchmark:
        RULES.benchmark("explain")
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(240),
        gpu_jobs=1,
    params:
        job=RULES.params("explain"),
    script:
        "../workflow_scripts/explain.py"
