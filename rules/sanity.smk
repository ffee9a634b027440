# Do maps change when the network is made random? Off unless the config asks for it.
SANITY_FILES = [
    f"{PATHS.sanity(explainers, **group.as_dict())}/sanity.parquet"
    for group in GRID.groups()
    for explainers in GRID.sets(group.task)
    if STUDY.sanity.images
    and (STUDY.sanity.levels == "all" or group.level == f"{strongest(group.design):g}")
]


rule sanity:
    input:
        unpack(vanilla_of),
        unpack(lambda wildcards: pool_of(wildcards, "images")),
        split=f"{PATHS.stage('split')}/{CELL}/split.parquet",
    output:
        sanity=f"{PATHS.stage('sanity')}/{CELL}/{{explainers}}/sanity.parquet",
    log:
        f"{PATHS.stage('logs')}/sanity/{CELL}/{{explainers}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/sanity/{CELL}/{{explainers}}.tsv"
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
        images=STUDY.sanity.images,
        stages=STUDY.sanity.stages,
        explained_class=STUDY.explain.explained_class,
        batch_size=STUDY.explain.batch_size,
        replicates=STUDY.measure.replicates,
    script:
        "../workflow_scripts/sanity.py"


rule tabulate_sanity:
    input:
        provenance=f"{PATHS.stage('tables')}/provenance.parquet",
        sanity=SANITY_FILES,
    output:
        sanity=f"{PATHS.stage('tables')}/sanity.parquet",
    log:
        f"{PATHS.stage('logs')}/tabulate_sanity.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        study=STUDY.model_dump(mode="json"),
    script:
        "../workflow_scripts/sanity_table.py"
