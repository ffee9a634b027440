rule split:
    input:
        unpack(RULES.input("split")),
    output:
        **RULES.output("split"),
    log:
        RULES.log("split"),
    benchmark:
        RULES.benchmark("split")
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        job=RULES.params("split"),
    script:
        "../workflow_scripts/split.py"
