# Two networks that no method starts from: of the target, and of the protected attribute, where the two are not
# associated. Off unless the config asks for it.
rule witness:
    input:
        unpack(RULES.input("witness")),
    output:
        **RULES.output("witness"),
    log:
        RULES.log("witness"),
    benchmark:
        RULES.benchmark("witness")
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu_jobs=1,
    params:
        job=RULES.params("witness"),
    script:
        "../workflow_scripts/witness.py"


rule explain_witness:
    input:
        unpack(RULES.input("explain_witness")),
    output:
        **RULES.output("explain_witness"),
    log:
        RULES.log("explain_witness"),
    benchmark:
        RULES.benchmark("explain_witness")
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(240),
        gpu_jobs=1,
    params:
        job=RULES.params("explain_witness"),
    script:
        "../workflow_scripts/explain_witness.py"
