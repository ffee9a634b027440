# Figures of injected artifacts, of the yardstick, and the page of dots: where a study has them.
METRIC_OF_DOTS = "top_fraction"
FIGURES_OF_ARTIFACTS = [
    *[
        f"quadrants-{t}-{d}-{e}"
        for t, d in of_artifacts()
        for e in GRID.shown_explainers(t)
    ],
    *[f"occlusion_grids-{t}-{d}" for t, d in GRID.pairs() if len(occlusions(t)) > 1],
    *sorted({f"mystery_models-{GRID.dataset(t)}-{d}" for t, d in of_artifacts()}),
]
if has_tables("reliance", "yardstick"):
    FIGURES_OF_ARTIFACTS += ["yardstick", "yardstick_heatmap"]
    FIGURES_OF_ARTIFACTS += [f"reliance-{explainer}" for explainer in judged()]
if has_tables("sanity"):
    FIGURES_OF_ARTIFACTS += [f"sanity-{pair}" for pair in PAIRS]
FIGURE_FILES += [
    *expand(
        f"{REPORT}/figures/{{name}}.{{format}}",
        name=FIGURES_OF_ARTIFACTS,
        format=["png", "svg"],
    ),
    *[
        f"{REPORT}/quadrants-{task}-{design}.html"
        for task, design in of_artifacts()
        if GRID.shown_explainers(task)
    ],
]


rule figure_quadrants:
    input:
        unpack(lambda wildcards: dots_of(all_groups(wildcards))),
    output:
        png=report(
            f"{REPORT}/figures/quadrants-{{task}}-{{design}}-{{explainer}}.png",
            caption="../captions/quadrants.rst",
            category="8 Artifacts",
            labels={
                "figure": "quadrants",
                "task": "{task}",
                "design": "{design}",
                "explainer": "{explainer}",
            },
        ),
        svg=f"{REPORT}/figures/quadrants-{{task}}-{{design}}-{{explainer}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/quadrants-{{task}}-{{design}}-{{explainer}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/quadrants-{{task}}-{{design}}-{{explainer}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        groups=all_groups,
        metric=METRIC_OF_DOTS,
        controls=GRID.controls(),
        target=lambda wildcards: STUDY.tasks[wildcards.task].target,
        protected=lambda wildcards: STUDY.tasks[wildcards.task].protected,
    script:
        "../workflow_scripts/figure_quadrants.py"


# Not in Snakemake's report: it embeds HTML as an address, which Chromium refuses above 2 MB.
rule page:
    input:
        unpack(page_input),
    output:
        html=f"{REPORT}/quadrants-{{task}}-{{design}}.html",
    log:
        f"{PATHS.stage('logs')}/report/quadrants-{{task}}-{{design}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/quadrants-{{task}}-{{design}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        groups=first_groups,
        levels=lambda wildcards: [
            float(group["level"])
            for group in first_groups(wildcards)
            for _ in sets_with(wildcards.task, GRID.shown_explainers(wildcards.task))
        ],
        explainers=lambda wildcards: GRID.shown_explainers(wildcards.task),
        metric=METRIC_OF_DOTS,
        controls=GRID.controls(),
        images=STUDY.report.page_images,
        target=lambda wildcards: STUDY.tasks[wildcards.task].target,
        protected=lambda wildcards: STUDY.tasks[wildcards.task].protected,
        artifact=artifact_of,
        roi=lambda wildcards: STUDY.tasks[wildcards.task].model_dump()["roi"],
        roi_artifact=roi_artifact_of,
        show=lambda wildcards: GRID.shows_images(GRID.dataset(wildcards.task)),
    script:
        "../workflow_scripts/page.py"


rule figure_occlusion_grids:
    input:
        unpack(occlusion_input),
    output:
        png=report(
            f"{REPORT}/figures/occlusion_grids-{{task}}-{{design}}.png",
            caption="../captions/occlusion_grids.rst",
            category="8 Artifacts",
            labels={
                "figure": "occlusion grids",
                "task": "{task}",
                "design": "{design}",
            },
        ),
        svg=f"{REPORT}/figures/occlusion_grids-{{task}}-{{design}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/occlusion_grids-{{task}}-{{design}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/occlusion_grids-{{task}}-{{design}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        explainers=lambda wildcards: occlusions(wildcards.task),
        level=lambda wildcards: strongest(wildcards.design),
        target=lambda wildcards: STUDY.tasks[wildcards.task].target,
        protected=lambda wildcards: STUDY.tasks[wildcards.task].protected,
        artifact=artifact_of,
        roi=lambda wildcards: STUDY.tasks[wildcards.task].model_dump()["roi"],
        roi_artifact=roi_artifact_of,
        show=lambda wildcards: GRID.shows_images(GRID.dataset(wildcards.task)),
    script:
        "../workflow_scripts/figure_occlusion_grids.py"


rule figure_mystery_models:
    input:
        mean_maps=mystery_input,
    output:
        png=report(
            f"{REPORT}/figures/mystery_models-{{dataset}}-{{design}}.png",
            caption="../captions/mystery_models.rst",
            category="8 Artifacts",
            labels={
                "figure": "models side by side",
                "dataset": "{dataset}",
                "design": "{design}",
            },
        ),
        svg=f"{REPORT}/figures/mystery_models-{{dataset}}-{{design}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/mystery_models-{{dataset}}-{{design}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/mystery_models-{{dataset}}-{{design}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        titles=lambda wildcards: [title for title, *_ in mystery_models(wildcards)],
        explainers=lambda wildcards: list(
            dict.fromkeys(
                explainer
                for _, task, _ in mystery_models(wildcards)
                for explainer in GRID.explainers(task)
            )
        ),
    script:
        "../workflow_scripts/figure_mystery_models.py"


rule figure_yardstick:
    input:
        yardstick=f"{TABLE}/yardstick.parquet",
    output:
        png=report(
            f"{REPORT}/figures/yardstick.png",
            caption="../captions/yardstick.rst",
            category="9 Yardstick",
            labels={
                "figure": "ranking",
            },
        ),
        svg=f"{REPORT}/figures/yardstick.svg",
    log:
        f"{PATHS.stage('logs')}/report/yardstick.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/yardstick.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="yardstick",
    script:
        "../workflow_scripts/figure.py"


rule figure_yardstick_heatmap:
    input:
        yardstick=f"{TABLE}/yardstick.parquet",
    output:
        png=report(
            f"{REPORT}/figures/yardstick_heatmap.png",
            caption="../captions/yardstick_heatmap.rst",
            category="9 Yardstick",
            labels={
                "figure": "heatmap",
            },
        ),
        svg=f"{REPORT}/figures/yardstick_heatmap.svg",
    log:
        f"{PATHS.stage('logs')}/report/yardstick_heatmap.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/yardstick_heatmap.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="yardstick_heatmap",
    script:
        "../workflow_scripts/figure.py"


rule figure_reliance:
    input:
        reliance=f"{TABLE}/reliance.parquet",
        yardstick=f"{TABLE}/yardstick.parquet",
    output:
        png=report(
            f"{REPORT}/figures/reliance-{{explainer}}.png",
            caption="../captions/reliance.rst",
            category="9 Yardstick",
            labels={
                "figure": "reliance",
                "explainer": "{explainer}",
            },
        ),
        svg=f"{REPORT}/figures/reliance-{{explainer}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/reliance-{{explainer}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/reliance-{{explainer}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="reliance",
    script:
        "../workflow_scripts/figure.py"


rule figure_sanity:
    input:
        sanity=f"{TABLE}/sanity.parquet",
    output:
        png=report(
            f"{REPORT}/figures/sanity-{{task}}-{{design}}.png",
            caption="../captions/sanity.rst",
            category="9 Yardstick",
            labels={
                "figure": "sanity check",
                "task": "{task}",
                "design": "{design}",
            },
        ),
        svg=f"{REPORT}/figures/sanity-{{task}}-{{design}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/sanity-{{task}}-{{design}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/sanity-{{task}}-{{design}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="sanity",
    script:
        "../workflow_scripts/figure.py"
