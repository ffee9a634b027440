# The same maps measured in other ways. Off unless the config asks for a multiverse.
rule universe:
    input:
        unpack(RULES.input("universe")),
    output:
        **RULES.output("universe"),
    log:
        RULES.log("universe"),
    benchmark:
        RULES.benchmark("universe")
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=RULES.params("universe"),
    script:
        "../workflow_scripts/universe.py"


rule tabulate_multiverse:
    input:
        unpack(RULES.input("tabulate_multiverse")),
    output:
        **RULES.output("tabulate_multiverse"),
    log:
        RULES.log("tabulate_multiverse"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        job=RULES.params("tabulate_multiverse"),
    script:
        "../workflow_scripts/tabulate_multiverse.py"
