# One rule per figure, which draws all its pictures: what there is, `study.plan_figures` knows.
FIGURES = RULES.figures()


# It tells of this config; another workflow's report has a text of its own.
if not IN_ANOTHER:

    report: "../captions/workflow.rst"


for FIGURE in FIGURES:

    rule:
        name:
            f"figure_{FIGURE}"
        input:
            unpack(RULES.input(f"figure_{FIGURE}")),
        output:
            **{**RULES.output(f"figure_{FIGURE}"), "drawings": pictures_of(FIGURE)},
        log:
            RULES.log(f"figure_{FIGURE}"),
        benchmark:
            RULES.benchmark(f"figure_{FIGURE}")
        conda:
            "../envs/cpu.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            job=RULES.params(f"figure_{FIGURE}"),
        script:
            "../workflow_scripts/figure.py"
