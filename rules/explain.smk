rule explain:
    input:
        unpack(model_of),
        unpack(lambda wildcards: pool_of(wildcards, "images")),
        split=f"{PATHS.stage('split')}/{CELL}/split.parquet",
    output:
        maps=f"{PATHS.stage('explain')}/{CELL}/{{method}}/{{explainers}}/maps.npy",
        index=f"{PATHS.stage('explain')}/{CELL}/{{method}}/{{explainers}}/maps.parquet",
    log:
        f"{PATHS.stage('logs')}/explain/{CELL}/{{method}}/{{explainers}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/explain/{CELL}/{{method}}/{{explainers}}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(240),
        gpu_jobs=1,
    params:
        deterministic=STUDY.deterministic,
        artifact=artifact_of,
        explainers=lambda wildcards: STUDY.explain.sets[wildcards.explainers],
        images=STUDY.explain.images,
        explained_class=STUDY.explain.explained_class,
        batch_size=STUDY.explain.batch_size,
    script:
        "../workflow_scripts/explain.py"
