rule region:
    input:
        images=f"{PATHS.stage('pool')}/{{dataset}}/images.npy",
        masks=f"{PATHS.stage('pool')}/{{dataset}}/masks.npy",
        index=f"{PATHS.stage('pool')}/{{dataset}}/index.parquet",
        pool=f"{PATHS.stage('pool')}/{{dataset}}/pool.json",
    output:
        classifier=f"{REGION}/classifier.safetensors",
        region=f"{REGION}/region.json",
        confidence=f"{REGION}/confidence.npy",
        mean=f"{REGION}/mean.npy",
        calibration=f"{REGION}/calibration.parquet",
        reliability=f"{REGION}/reliability.parquet",
        positions=f"{REGION}/positions.parquet",
        maps=f"{REGION}/maps.parquet",
    log:
        f"{PATHS.stage('logs')}/region/{{dataset}}/{{region}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/region/{{dataset}}/{{region}}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(600),
        gpu_jobs=1,
    params:
        deterministic=STUDY.deterministic,
        artifact=lambda wildcards: artifact_params(
            REGIONS[wildcards.dataset, wildcards.region]
        ),
        attribute=lambda wildcards: REGIONS[wildcards.dataset, wildcards.region],
        classifier=STUDY.regions.classifier.model_dump(),
        seed=STUDY.regions.seed,
        known=lambda wildcards: GRID.known_roi(
            wildcards.dataset, REGIONS[wildcards.dataset, wildcards.region]
        ),
        quantile=STUDY.regions.quantile,
    script:
        "../workflow_scripts/region.py"
