# Figures of injected artifacts, of the yardstick, and the page of dots: where a study has them.
METRIC_OF_DOTS = "top_fraction"


def of_artifacts():
    """Every task whose protected attribute is an artifact, with each of its designs."""
    return [(task, design) for task, design in GRID.pairs() if GRID.artifact(task)]


def has_tables(*names):
    """Whether the study writes these tables."""
    return all(f"{TABLE}/{name}.parquet" in TABLE_FILES for name in names)


def occlusions(task):
    """A task's explainers that hide boxes, from the coarsest grid to the finest."""
    chosen = {
        e: p for name in GRID.sets(task) for e, p in STUDY.explain.sets[name].items()
    }
    grids = {e: p["grid"] for e, p in chosen.items() if p["kind"] == "occlusion"}
    return sorted(grids, key=grids.get)


def judged():
    """The explainers that are shown of all tasks with twins, without the controls."""
    names = [e for task in GRID.twinned() for e in GRID.shown_explainers(task)]
    return [e for e in dict.fromkeys(names) if e not in GRID.controls()]


def groups_of(wildcards, levels, seeds):
    """The groups of a task and design at these levels and seeds."""
    return [
        {
            "task": wildcards.task,
            "design": wildcards.design,
            "level": f"{level:g}",
            "seed": str(seed),
        }
        for level in levels
        for seed in seeds
    ]


def all_groups(wildcards):
    """All groups of a task and design."""
    return groups_of(wildcards, STUDY.designs[wildcards.design]["levels"], STUDY.seeds)


def first_groups(wildcards):
    """The first seed's groups of a task and design."""
    levels = STUDY.designs[wildcards.design]["levels"]
    return groups_of(wildcards, levels, STUDY.seeds[:1])


def strongest_groups(wildcards):
    """The first seed's group at the strongest level of a task and design."""
    return groups_of(wildcards, [strongest(wildcards.design)], STUDY.seeds[:1])


def dots_of(groups):
    """The metrics of single images and vanilla's predictions of some groups."""
    return {
        "image_metrics": [
            f"{PATHS.measures(**g)}/image_metrics.parquet" for g in groups
        ],
        "predictions": [
            f"{PATHS.model('vanilla', **g)}/predictions.parquet" for g in groups
        ],
    }


def sets_with(task, explainers):
    """The sets of a task that hold any of these explainers."""
    return [s for s in GRID.sets(task) if set(STUDY.explain.sets[s]) & set(explainers)]


def maps_with(wildcards, groups, explainers):
    """Vanilla's maps by these explainers in some groups, and what their regions are read from."""
    folders = [
        PATHS.maps("vanilla", name, **group)
        for group in groups
        for name in sets_with(wildcards.task, explainers)
    ]
    return {
        "maps": [f"{folder}/maps.npy" for folder in folders],
        "map_index": [f"{folder}/maps.parquet" for folder in folders],
        **pool_of(wildcards, "images", "masks", "pool"),
        **roi_region_of(wildcards),
    }


def page_input(wildcards):
    """What a page of dots is made of."""
    groups, explainers = first_groups(wildcards), GRID.shown_explainers(wildcards.task)
    return {**dots_of(groups), **maps_with(wildcards, groups, explainers)}


def occlusion_input(wildcards):
    """Single images with their maps, or mean maps where no image may be shown."""
    groups = strongest_groups(wildcards)
    if GRID.shows_images(GRID.dataset(wildcards.task)):
        return maps_with(wildcards, groups, occlusions(wildcards.task))
    return {"mean_maps": f"{PATHS.measures(**groups[0])}/mean_maps.npz"}


def mystery_models(wildcards):
    """The models side by side: (title, task, level), the normal one first."""
    found = []
    levels = STUDY.designs[wildcards.design]["levels"]
    for task, design in of_artifacts():
        if (GRID.dataset(task), design) == (wildcards.dataset, wildcards.design):
            if not found and 0 in levels:
                found.append(("normal\nlevel 0", task, 0))
            level = strongest(design)
            found.append((f"{GRID.artifact(task)}\nlevel {level:g}", task, level))
    return found


def mystery_input(wildcards):
    """The mean maps of these models, all seeds."""
    return [
        f"{PATHS.measures(task=task, design=wildcards.design, level=f'{level:g}', seed=str(seed))}"
        "/mean_maps.npz"
        for _, task, level in mystery_models(wildcards)
        for seed in STUDY.seeds
    ]


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
        mem_mb=2000,
        runtime=10,
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
        mem_mb=2000,
        runtime=20,
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
        mem_mb=2000,
        runtime=10,
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
        mem_mb=2000,
        runtime=10,
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
        mem_mb=2000,
        runtime=10,
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
        mem_mb=2000,
        runtime=10,
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
        mem_mb=2000,
        runtime=10,
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
        mem_mb=2000,
        runtime=10,
    params:
        figure="sanity",
    script:
        "../workflow_scripts/figure.py"
