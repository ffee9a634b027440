# Do maps change when the network is made random? Off unless the config asks for it.
rule sanity:
    input:
        unpack(RULES.input("sanity")),
    output:
        **RULES.output("sanity"),
    log:
        RULES.log("sanity"),
    benchmark:
        RULES.benchmark("sanity")
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(240),
        gpu_jobs=1,
    params:
        job=RULES.params("sanity"),
    script:
        "../workflow_scripts/sanity.py"
