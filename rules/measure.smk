# All metrics with their parameters: a new metric file measures anew, and nothing before it.
METRIC_PARAMS = {
    name: params.model_dump() for name, params in resolve(STUDY.measure.metrics).items()
}


rule measure:
    input:
        unpack(maps_of),
        unpack(normal_of),
        unpack(roi_region_of),
        unpack(lambda wildcards: pool_of(wildcards, "images", "masks", "pool")),
        predictions=predictions_of,
        split=f"{PATHS.stage('split')}/{CELL}/split.parquet",
    output:
        image_metrics=f"{PATHS.stage('measure')}/{CELL}/image_metrics.parquet",
        cell_metrics=f"{PATHS.stage('measure')}/{CELL}/cell_metrics.parquet",
        tests=f"{PATHS.stage('measure')}/{CELL}/tests.parquet",
        mean_maps=f"{PATHS.stage('measure')}/{CELL}/mean_maps.npz",
    log:
        f"{PATHS.stage('logs')}/measure/{CELL}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/measure/{CELL}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        artifact=artifact_of,
        study=STUDY.study,
        dataset=lambda wildcards: GRID.dataset(wildcards.task),
        methods=lambda wildcards: {
            method: GRID.explained(method) for method in GRID.methods(wildcards.task)
        },
        models=lambda wildcards: GRID.models(wildcards.task),
        roi=lambda wildcards: STUDY.tasks[wildcards.task].model_dump()["roi"],
        roi_artifact=roi_artifact_of,
        scale=STUDY.measure.scale,
        replicates=STUDY.measure.replicates,
        metrics=METRIC_PARAMS,
    script:
        "../workflow_scripts/measure.py"
