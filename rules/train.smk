rule train:
    input:
        unpack(RULES.input("train")),
    output:
        **RULES.output("train"),
    log:
        RULES.log("train"),
    benchmark:
        RULES.benchmark("train")
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu_jobs=1,
    params:
        job=RULES.params("train"),
    script:
        "../workflow_scripts/train.py"
