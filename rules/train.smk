rule train:
    input:
        unpack(twins_of),
        unpack(lambda wildcards: pool_of(wildcards, "images")),
        split=f"{PATHS.stage('split')}/{CELL}/split.parquet",
    output:
        model=f"{PATHS.stage('train')}/{CELL}/model.safetensors",
        metadata=f"{PATHS.stage('train')}/{CELL}/model.json",
        predictions=f"{PATHS.stage('train')}/{CELL}/predictions.parquet",
    log:
        f"{PATHS.stage('logs')}/train/{CELL}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/train/{CELL}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu_jobs=1,
    params:
        deterministic=STUDY.deterministic,
        artifact=artifact_of,
        model=lambda wildcards: STUDY.task_model(wildcards.task).model_dump(),
        training=STUDY.training.model_dump(),
    script:
        "../workflow_scripts/train.py"
