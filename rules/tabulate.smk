TABLES = [
    "splits",
    "predictions",
    "image_metrics",
    "cell_metrics",
    "tests",
    "runtimes",
    "leaderboard",
    "associations",
    "provenance",
]
# Tables of patch classifiers, and the files that they are joined from.
REGION_TABLES = {
    "region_calibration": "calibration",
    "region_reliability": "reliability",
    "region_positions": "positions",
    "region_maps": "maps",
}
RELIANCE_TABLES = ["reliance", "yardstick"]
ATTRIBUTION_TABLES = ["data_attribution", "table_one"]
TABLE_FILES = [
    f"{PATHS.stage('tables')}/{table}.parquet"
    for table in [
        *TABLES,
        *(REGION_TABLES if REGIONS else []),
        *(ATTRIBUTION_TABLES if GRID.looks_away() else []),
        *(RELIANCE_TABLES if GRID.twinned() else []),
        *(["sanity"] if SANITY_FILES else []),
    ]
]
GROUPS = [group.as_dict() for group in GRID.groups()]


rule tabulate:
    input:
        splits=[PATHS.split(**group) for group in GROUPS],
        predictions=models_of("predictions.parquet"),
        metadata=models_of("model.json"),
        image_metrics=[f"{PATHS.measures(**g)}/image_metrics.parquet" for g in GROUPS],
        cell_metrics=[f"{PATHS.measures(**g)}/cell_metrics.parquet" for g in GROUPS],
        tests=[f"{PATHS.measures(**g)}/tests.parquet" for g in GROUPS],
        regions=regions_files("region.json"),
        sanity=SANITY_FILES,
    output:
        **{table: f"{PATHS.stage('tables')}/{table}.parquet" for table in TABLES},
    log:
        f"{PATHS.stage('logs')}/tabulate.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        study=STUDY.model_dump(mode="json"),
        benchmarks=PATHS.stage("benchmarks"),
    script:
        "../workflow_scripts/tabulation.py"


rule tabulate_regions:
    input:
        provenance=f"{PATHS.stage('tables')}/provenance.parquet",
        region=regions_files("region.json"),
        calibration=regions_files("calibration.parquet"),
        reliability=regions_files("reliability.parquet"),
        positions=regions_files("positions.parquet"),
        maps=regions_files("maps.parquet"),
    output:
        **{table: f"{PATHS.stage('tables')}/{table}.parquet" for table in REGION_TABLES},
    log:
        f"{PATHS.stage('logs')}/tabulate_regions.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        study=STUDY.study,
        tables=REGION_TABLES,
    script:
        "../workflow_scripts/region_tables.py"


rule tabulate_attribution:
    input:
        cell_metrics=f"{PATHS.stage('tables')}/cell_metrics.parquet",
        predictions=models_of("predictions.parquet"),
    output:
        **{t: f"{PATHS.stage('tables')}/{t}.parquet" for t in ATTRIBUTION_TABLES},
        text=f"{PATHS.stage('report')}/table_one.txt",
    log:
        f"{PATHS.stage('logs')}/tabulate_attribution.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        study=STUDY.model_dump(mode="json"),
    script:
        "../workflow_scripts/table_one.py"


rule tabulate_reliance:
    input:
        cell_metrics=f"{PATHS.stage('tables')}/cell_metrics.parquet",
        image_metrics=f"{PATHS.stage('tables')}/image_metrics.parquet",
        predictions=f"{PATHS.stage('tables')}/predictions.parquet",
    output:
        **{t: f"{PATHS.stage('tables')}/{t}.parquet" for t in RELIANCE_TABLES},
    log:
        f"{PATHS.stage('logs')}/tabulate_reliance.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        injected=[task for task in STUDY.tasks if GRID.artifact(task)],
        elsewhere=GRID.elsewhere(),
        controls=GRID.controls(),
    script:
        "../workflow_scripts/yardstick.py"
