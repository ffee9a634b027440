# Figures of patch classifiers, and of the methods that train on images changed by their maps.


rule figure_reliability:
    input:
        region_reliability=f"{TABLE}/region_reliability.parquet",
        region_calibration=f"{TABLE}/region_calibration.parquet",
    output:
        png=report(
            f"{REPORT}/figures/reliability.png",
            caption="../captions/reliability.rst",
            category="6 Where attributes are",
            labels={
                "figure": "calibration",
            },
        ),
        svg=f"{REPORT}/figures/reliability.svg",
    log:
        f"{PATHS.stage('logs')}/report/reliability.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/reliability.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="reliability",
    script:
        "../workflow_scripts/figure.py"


rule figure_position_maps:
    input:
        region_positions=f"{TABLE}/region_positions.parquet",
    output:
        png=report(
            f"{REPORT}/figures/position_maps.png",
            caption="../captions/position_maps.rst",
            category="6 Where attributes are",
            labels={
                "figure": "by position",
            },
        ),
        svg=f"{REPORT}/figures/position_maps.svg",
    log:
        f"{PATHS.stage('logs')}/report/position_maps.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/position_maps.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="position_maps",
    script:
        "../workflow_scripts/figure.py"


rule figure_mean_attribution_maps:
    input:
        unpack(attribution_of),
        region_maps=f"{TABLE}/region_maps.parquet",
    output:
        png=report(
            f"{REPORT}/figures/mean_attribution_maps-{{dataset}}.png",
            caption="../captions/mean_attribution_maps.rst",
            category="6 Where attributes are",
            labels={
                "figure": "mean maps",
                "dataset": "{dataset}",
            },
        ),
        svg=f"{REPORT}/figures/mean_attribution_maps-{{dataset}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/mean_attribution_maps-{{dataset}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/mean_attribution_maps-{{dataset}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        known=lambda wildcards: known_of(wildcards),
        artifacts=lambda wildcards: {
            attribute: artifact_params(attribute)
            for attribute in attributes_of(wildcards.dataset)
        },
        quantile=STUDY.regions.quantile,
    script:
        "../workflow_scripts/figure_mean_attribution.py"


rule figure_attribution_maps:
    input:
        unpack(attribution_of),
    output:
        png=report(
            f"{REPORT}/figures/attribution_maps-{{dataset}}.png",
            caption="../captions/attribution_maps.rst",
            category="6 Where attributes are",
            labels={
                "figure": "single images",
                "dataset": "{dataset}",
            },
        ),
        svg=f"{REPORT}/figures/attribution_maps-{{dataset}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/attribution_maps-{{dataset}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/attribution_maps-{{dataset}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        images=4,
    script:
        "../workflow_scripts/figure_attribution_maps.py"


rule figure_attribution_example:
    input:
        unpack(lambda wildcards: pool_of(wildcards, "images", "index")),
        unpack(protected_region_of),
    output:
        png=report(
            f"{REPORT}/figures/attribution_example-{{task}}.png",
            caption="../captions/attribution_example.rst",
            category="7 Looking away",
            labels={
                "figure": "example",
                "task": "{task}",
            },
        ),
        svg=f"{REPORT}/figures/attribution_example-{{task}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/attribution_example-{{task}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/attribution_example-{{task}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        artifact=artifact_of,
        images=3,
        quantile=0.8,
        sigma=0.5,
    script:
        "../workflow_scripts/figure_attribution_example.py"


rule figure_noise_types:
    input:
        data_attribution=f"{TABLE}/data_attribution.parquet",
    output:
        png=report(
            f"{REPORT}/figures/noise_types-{{task}}-{{design}}.png",
            caption="../captions/noise_types.rst",
            category="7 Looking away",
            labels={
                "figure": "noise types",
                "task": "{task}",
                "design": "{design}",
            },
        ),
        svg=f"{REPORT}/figures/noise_types-{{task}}-{{design}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/noise_types-{{task}}-{{design}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/noise_types-{{task}}-{{design}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="noise_types",
    script:
        "../workflow_scripts/figure.py"


rule figure_quantiles:
    input:
        data_attribution=f"{TABLE}/data_attribution.parquet",
    output:
        png=report(
            f"{REPORT}/figures/quantiles-{{task}}-{{design}}.png",
            caption="../captions/quantiles.rst",
            category="7 Looking away",
            labels={
                "figure": "quantiles",
                "task": "{task}",
                "design": "{design}",
            },
        ),
        svg=f"{REPORT}/figures/quantiles-{{task}}-{{design}}.svg",
    log:
        f"{PATHS.stage('logs')}/report/quantiles-{{task}}-{{design}}.log",
    benchmark:
        f"{PATHS.stage('benchmarks')}/report/quantiles-{{task}}-{{design}}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="quantiles",
    script:
        "../workflow_scripts/figure.py"
