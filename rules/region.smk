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


# What methods look through: trained on no image that is a test image at any level.
rule fenced_region:
    input:
        unpack(RULES.input("fenced_region")),
    output:
        **RULES.output("fenced_region"),
    log:
        RULES.log("fenced_region"),
    benchmark:
        RULES.benchmark("fenced_region")
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(600),
        gpu_jobs=1,
    params:
        job=RULES.params("fenced_region"),
    script:
        "../workflow_scripts/fenced_region.py"
