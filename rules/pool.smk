rule pool:
    input:
        attributes=f"{PATHS.stage('fetch')}/{{dataset}}/attributes.parquet",
        source=f"{PATHS.stage('fetch')}/{{dataset}}/source.json",
    output:
        images=f"{PATHS.stage('pool')}/{{dataset}}/images.npy",
        masks=f"{PATHS.stage('pool')}/{{dataset}}/masks.npy",
        index=f"{PATHS.stage('pool')}/{{dataset}}/index.parquet",
        pool=f"{PATHS.stage('pool')}/{{dataset}}/pool.json",
    log:
        f"{PATHS.stage('logs')}/pool/{{dataset}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/pool/{{dataset}}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        kind=lambda wildcards: STUDY.datasets[wildcards.dataset]["kind"],
        dataset=lambda wildcards: dataset_params(wildcards, "pool"),
        data=STUDY.data,
    script:
        "../workflow_scripts/pool.py"


rule twins:
    input:
        attributes=f"{PATHS.stage('fetch')}/{{dataset}}/attributes.parquet",
        index=f"{PATHS.stage('pool')}/{{dataset}}/index.parquet",
    output:
        twins=f"{PATHS.stage('pool')}/{{dataset}}/twins_{{attribute}}.npy",
    log:
        f"{PATHS.stage('logs')}/pool/{{dataset}}-twins-{{attribute}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/pool/{{dataset}}-twins-{{attribute}}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        kind=lambda wildcards: STUDY.datasets[wildcards.dataset]["kind"],
        dataset=lambda wildcards: dataset_params(wildcards, "pool"),
        data=STUDY.data,
    script:
        "../workflow_scripts/twins.py"
