TABLES = RULES.tables()


rule tabulate:
    input:
        unpack(RULES.input("tabulate")),
    output:
        **RULES.output("tabulate"),
    log:
        RULES.log("tabulate"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        job=RULES.params("tabulate"),
    script:
        "../workflow_scripts/tabulate.py"


rule tabulate_runtimes:
    input:
        unpack(RULES.input("tabulate_runtimes")),
    output:
        **RULES.output("tabulate_runtimes"),
    log:
        RULES.log("tabulate_runtimes"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        job=RULES.params("tabulate_runtimes"),
    script:
        "../workflow_scripts/tabulate_runtimes.py"


rule tabulate_regions:
    input:
        unpack(RULES.input("tabulate_regions")),
    output:
        **RULES.output("tabulate_regions"),
    log:
        RULES.log("tabulate_regions"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        job=RULES.params("tabulate_regions"),
    script:
        "../workflow_scripts/tabulate_regions.py"


rule tabulate_attribution:
    input:
        unpack(RULES.input("tabulate_attribution")),
    output:
        **RULES.output("tabulate_attribution"),
    log:
        RULES.log("tabulate_attribution"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        job=RULES.params("tabulate_attribution"),
    script:
        "../workflow_scripts/tabulate_attribution.py"


rule tabulate_reliance:
    input:
        unpack(RULES.input("tabulate_reliance")),
    output:
        **RULES.output("tabulate_reliance"),
    log:
        RULES.log("tabulate_reliance"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        job=RULES.params("tabulate_reliance"),
    script:
        "../workflow_scripts/tabulate_reliance.py"


rule tabulate_sanity:
    input:
        unpack(RULES.input("tabulate_sanity")),
    output:
        **RULES.output("tabulate_sanity"),
    log:
        RULES.log("tabulate_sanity"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        job=RULES.params("tabulate_sanity"),
    script:
        "../workflow_scripts/tabulate_sanity.py"


rule tabulate_shortcuts:
    input:
        unpack(RULES.input("tabulate_shortcuts")),
    output:
        **RULES.output("tabulate_shortcuts"),
    log:
        RULES.log("tabulate_shortcuts"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        job=RULES.params("tabulate_shortcuts"),
    script:
        "../workflow_scripts/tabulate_shortcuts.py"


rule tabulate_probes:
    input:
        unpack(RULES.input("tabulate_probes")),
    output:
        **RULES.output("tabulate_probes"),
    log:
        RULES.log("tabulate_probes"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        job=RULES.params("tabulate_probes"),
    script:
        "../workflow_scripts/tabulate_probes.py"


rule tabulate_tuning:
    input:
        unpack(RULES.input("tabulate_tuning")),
    output:
        **RULES.output("tabulate_tuning"),
    log:
        RULES.log("tabulate_tuning"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        job=RULES.params("tabulate_tuning"),
    script:
        "../workflow_scripts/tabulate_tuning.py"


rule tabulate_feasibility:
    input:
        unpack(RULES.input("tabulate_feasibility")),
    output:
        **RULES.output("tabulate_feasibility"),
    log:
        RULES.log("tabulate_feasibility"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=RULES.params("tabulate_feasibility"),
    script:
        "../workflow_scripts/tabulate_feasibility.py"


rule tabulate_ranks:
    input:
        unpack(RULES.input("tabulate_ranks")),
    output:
        **RULES.output("tabulate_ranks"),
    log:
        RULES.log("tabulate_ranks"),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        job=RULES.params("tabulate_ranks"),
    script:
        "../workflow_scripts/tabulate_ranks.py"
