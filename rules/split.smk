rule split:
    input:
        lambda wildcards: pool_of(wildcards, "index")["index"],
    output:
        f"{PATHS.stage('split')}/{CELL}/split.parquet",
    log:
        f"{PATHS.stage('logs')}/split/{CELL}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/split/{CELL}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        target=lambda wildcards: STUDY.tasks[wildcards.task].target,
        protected=lambda wildcards: STUDY.tasks[wildcards.task].protected,
        injected=lambda wildcards: GRID.artifact(wildcards.task) is not None,
        design=design_params,
    script:
        "../workflow_scripts/split.py"
