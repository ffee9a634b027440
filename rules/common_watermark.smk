"""Helpers of the rules in report_watermark.smk."""


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


def groups_of(task, design, levels, seeds):
    """The groups of a task and design at these levels and seeds."""
    return [
        {"task": task, "design": design, "level": f"{level:g}", "seed": str(seed)}
        for level in levels
        for seed in seeds
    ]


def all_groups(wildcards):
    """All groups of a task and design."""
    levels = STUDY.designs[wildcards.design]["levels"]
    return groups_of(wildcards.task, wildcards.design, levels, STUDY.seeds)


def first_groups(wildcards):
    """The first seed's groups of a task and design."""
    levels = STUDY.designs[wildcards.design]["levels"]
    return groups_of(wildcards.task, wildcards.design, levels, STUDY.seeds[:1])


def strongest_groups(wildcards):
    """The first seed's group at the strongest level of a task and design."""
    levels = [strongest(wildcards.design)]
    return groups_of(wildcards.task, wildcards.design, levels, STUDY.seeds[:1])


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
        f"{PATHS.measures(**group)}/mean_maps.npz"
        for _, task, level in mystery_models(wildcards)
        for group in groups_of(task, wildcards.design, [level], STUDY.seeds)
    ]
