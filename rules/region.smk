rule region:
    input:
        unpack(RULES.input("region")),
    output:
        **RULES.output("region"),
    log:
        RULES.log("region"),
    benchmark:
        RULES.benchmark("region")
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(600),
        gpu_jobs=1,
    params:
        job=RULES.params("region"),
    script:
        "../workflow_scripts/region.py"
