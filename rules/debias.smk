rule debias:
    input:
        unpack(twins_of),
        unpack(lambda wildcards: pool_of(wildcards, "images")),
        unpack(vanilla_of),
        unpack(regions_of),
        split=f"{PATHS.stage('split')}/{CELL}/split.parquet",
    output:
        model=f"{PATHS.stage('debias')}/{CELL}/{{method}}/model.safetensors",
        metadata=f"{PATHS.stage('debias')}/{CELL}/{{method}}/model.json",
        predictions=f"{PATHS.stage('debias')}/{CELL}/{{method}}/predictions.parquet",
    log:
        f"{PATHS.stage('logs')}/debias/{CELL}/{{method}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/debias/{CELL}/{{method}}.tsv"
    wildcard_constraints:
        method=one_of(GRID.methods(changes="weights")),
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu_jobs=1,
    params:
        deterministic=STUDY.deterministic,
        artifact=artifact_of,
        method=lambda wildcards: STUDY.methods[wildcards.method],
    script:
        "../workflow_scripts/debias.py"


# Methods that change decisions only read stored predictions: they need no GPU.
use rule debias as decide with:
    wildcard_constraints:
        method=one_of(GRID.methods(changes="decision")),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
