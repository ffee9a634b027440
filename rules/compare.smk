rule compare:
    input:
        unpack(RULES.input("compare")),
    output:
        **RULES.output("compare"),
    log:
        RULES.log("compare"),
    benchmark:
        RULES.benchmark("compare")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=RULES.params("compare"),
    script:
        "../workflow_scripts/compare.py"
