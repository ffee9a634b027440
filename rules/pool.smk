rule pool:
    input:
        unpack(RULES.input("pool")),
    output:
        **RULES.output("pool"),
    log:
        RULES.log("pool"),
    benchmark:
        RULES.benchmark("pool")
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        job=RULES.params("pool"),
    script:
        "../workflow_scripts/pool.py"


rule twins:
    input:
        unpack(RULES.input("twins")),
    output:
        **RULES.output("twins"),
    log:
        RULES.log("twins"),
    benchmark:
        RULES.benchmark("twins")
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        job=RULES.params("twins"),
    script:
        "../workflow_scripts/twins.py"
