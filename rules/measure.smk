rule measure:
    input:
        unpack(RULES.input("measure")),
    output:
        **RULES.output("measure"),
    log:
        RULES.log("measure"),
    benchmark:
        RULES.benchmark("measure")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=RULES.params("measure"),
    script:
        "../workflow_scripts/measure.py"
