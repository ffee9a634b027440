REPORT = PATHS.stage("report")
TABLE = PATHS.stage("tables")
PAIRS = [f"{task}-{design}" for task, design in GRID.pairs()]
EXPLAINED = [f"{t}-{d}-{e}" for t, d in GRID.pairs() for e in GRID.shown_explainers(t)]
FIGURE_NAMES = [
    *expand("mean_maps-{cells}", cells=EXPLAINED),
    *expand("metrics_by_level-{cells}", cells=EXPLAINED),
    *expand("comparisons-{cells}", cells=PAIRS),
    "fairness_against_saliency",
    "runtimes",
]
DATASETS_WITH_REGIONS = sorted({dataset for dataset, _ in REGIONS})
# Single images come from rendered faces only, or from the datasets that the config names.
SHOWN = [name for name in STUDY.datasets if GRID.shows_images(name)]
if REGIONS:
    FIGURE_NAMES += ["reliability", "position_maps"]
    FIGURE_NAMES += [f"mean_attribution_maps-{d}" for d in DATASETS_WITH_REGIONS]
    FIGURE_NAMES += [
        f"attribution_maps-{d}" for d in DATASETS_WITH_REGIONS if d in SHOWN
    ]
if GRID.looks_away():
    LOOKING_AWAY = [t for t in STUDY.tasks if GRID.looks_away(t)]
    FIGURE_NAMES += [
        f"{name}-{task}-{design}"
        for name in ("noise_types", "quantiles")
        for task, design in GRID.pairs()
        if task in LOOKING_AWAY
    ]
    FIGURE_NAMES += [
        f"attribution_example-{t}" for t in LOOKING_AWAY if GRID.dataset(t) in SHOWN
    ]
FIGURE_FILES = [
    *expand(
        f"{REPORT}/figures/{{name}}.{{format}}",
        name=FIGURE_NAMES,
        format=["png", "svg"],
    ),
    f"{REPORT}/leaderboard.html",
    f"{REPORT}/leaderboard.txt",
]


report: "../captions/workflow.rst"


wildcard_constraints:
    explainer=r"\w+",


rule figure_mean_maps:
    input:
        mean_maps=lambda wildcards: strongest_measures(wildcards, "mean_maps.npz"),
        cell_metrics=lambda wildcards: strongest_measures(
            wildcards, "cell_metrics.parquet"
        ),
    output:
        png=report(
            f"{REPORT}/figures/mean_maps-{{task}}-{{design}}-{{explainer}}.png",
            caption="../captions/mean_maps.rst",
            category="1 Mean maps",
            labels={
                "task": "{task}",
                "design": "{design}",
                "explainer": "{explainer}",
            },
        ),
        svg=f"{REPORT}/figures/mean_maps-{{task}}-{{design}}-{{explainer}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/mean_maps-{{task}}-{{design}}-{{explainer}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/mean_maps-{{task}}-{{design}}-{{explainer}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        methods=lambda wildcards: GRID.methods(wildcards.task),
        target=lambda wildcards: STUDY.tasks[wildcards.task].target,
        protected=lambda wildcards: STUDY.tasks[wildcards.task].protected,
        level=lambda wildcards: strongest(wildcards.design),
    script:
        "../workflow_scripts/figure_mean_maps.py"


rule figure_metrics_by_level:
    input:
        cell_metrics=f"{TABLE}/cell_metrics.parquet",
    output:
        png=report(
            f"{REPORT}/figures/metrics_by_level-{{task}}-{{design}}-{{explainer}}.png",
            caption="../captions/metrics_by_level.rst",
            category="2 Metrics by level",
            labels={
                "task": "{task}",
                "design": "{design}",
                "explainer": "{explainer}",
            },
        ),
        svg=f"{REPORT}/figures/metrics_by_level-{{task}}-{{design}}-{{explainer}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/metrics_by_level-{{task}}-{{design}}-{{explainer}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/metrics_by_level-{{task}}-{{design}}-{{explainer}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="metrics_by_level",
    script:
        "../workflow_scripts/figure.py"


rule figure_fairness_against_saliency:
    input:
        cell_metrics=f"{TABLE}/cell_metrics.parquet",
        associations=f"{TABLE}/associations.parquet",
    output:
        png=report(
            f"{REPORT}/figures/fairness_against_saliency.png",
            caption="../captions/fairness_against_saliency.rst",
            category="3 Fairness against saliency",
            labels={"cells": "all"},
        ),
        svg=f"{REPORT}/figures/fairness_against_saliency.svg",
    log:
        f"{PATHS.stage('logs')}/report/fairness_against_saliency.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/fairness_against_saliency.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="fairness_against_saliency",
    script:
        "../workflow_scripts/figure.py"


rule figure_comparisons:
    input:
        tests=f"{TABLE}/tests.parquet",
        cell_metrics=f"{TABLE}/cell_metrics.parquet",
    output:
        png=report(
            f"{REPORT}/figures/comparisons-{{task}}-{{design}}.png",
            caption="../captions/comparisons.rst",
            category="4 Comparisons",
            labels={"task": "{task}", "design": "{design}"},
        ),
        svg=f"{REPORT}/figures/comparisons-{{task}}-{{design}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/comparisons-{{task}}-{{design}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/comparisons-{{task}}-{{design}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="comparisons",
    script:
        "../workflow_scripts/figure.py"


rule figure_runtimes:
    input:
        runtimes=f"{TABLE}/runtimes.parquet",
    output:
        png=report(
            f"{REPORT}/figures/runtimes.png",
            caption="../captions/runtimes.rst",
            category="5 Run time",
            labels={"jobs": "all"},
        ),
        svg=f"{REPORT}/figures/runtimes.svg",
    log:
        f"{PATHS.stage('logs')}/report/runtimes.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/runtimes.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="runtimes",
    script:
        "../workflow_scripts/figure.py"


rule leaderboard:
    input:
        leaderboard=f"{TABLE}/leaderboard.parquet",
    output:
        html=report(
            f"{REPORT}/leaderboard.html",
            caption="../captions/leaderboard.rst",
            category="0 Leaderboard",
            labels={"cells": "all"},
        ),
        text=f"{REPORT}/leaderboard.txt",
    log:
        f"{PATHS.stage('logs')}/report/leaderboard.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/leaderboard.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        explainers={task: GRID.shown_explainers(task) for task in STUDY.tasks},
    script:
        "../workflow_scripts/leaderboard.py"
