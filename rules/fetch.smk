rule fetch:
    output:
        attributes=f"{PATHS.stage('fetch')}/{{dataset}}/attributes.parquet",
        source=f"{PATHS.stage('fetch')}/{{dataset}}/source.json",
    log:
        f"{PATHS.stage('logs')}/fetch/{{dataset}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/fetch/{{dataset}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        kind=lambda wildcards: STUDY.datasets[wildcards.dataset]["kind"],
        dataset=lambda wildcards: dataset_params(wildcards, "fetch"),
        data=STUDY.data,
    script:
        "../workflow_scripts/fetch.py"
