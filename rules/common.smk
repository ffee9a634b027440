"""What all rules share: the library, the study's plan, and its lock."""

import os
import sys
from functools import partial
from pathlib import Path

# Planning and jobs use the library beside this workflow, whatever else is installed.
LIBRARY = str(Path(str(workflow.current_basedir)).parent / "src")
sys.path.insert(0, LIBRARY)
os.environ.update(
    PYTHONPATH=os.pathsep.join([LIBRARY, *filter(None, [os.getenv("PYTHONPATH")])])
)

from snakemake.logging import logger
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from rightreasons.core.errors import UserError
from rightreasons.runtime.clock import date_anew, refuse_future
from rightreasons.runtime.devices import count_gpus
from rightreasons.runtime.foreign import join_hooks, share_groups, share_settings
from rightreasons.runtime.guard import forget_jobs, hold, refuse_closed
from rightreasons.runtime.job import BARS
from rightreasons.runtime.lifeline import SNAKEMAKE, this_process
from rightreasons.runtime.slurm import refuse_absence, report_refusals
from rightreasons.runtime.terminal import Display, opened, take_over, wanted
from rightreasons.study.command_line import refuse_repeated
from rightreasons.study.conclusions import conclusions
from rightreasons.study.cost import Estimate
from rightreasons.study.cost_told import of_run
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.record import check_record, end_record, write_record
from rightreasons.study.rehearsal import rehearse_study
from rightreasons.study.rules import STAGES, Rules
from rightreasons.study.yaml_keys import check_keys

SNAKEMAKES_RECORDS = Path(".snakemake")
# Whether this is a module of another workflow, and what that one calls our rules.
IN_ANOTHER = not workflow.modifier.is_main_snakefile()
RENAMED = workflow.modifier.modify_rulename
if IN_ANOTHER:
    share_settings(workflow.resource_settings, RENAMED, STAGES)
# Jobs end with the Snakemake that started them, killed or not.
os.environ[SNAKEMAKE] = this_process()


def check_results():
    """Refuse results that another config made and that Snakemake would take for this one's."""
    if workflow.is_main_process:
        try:
            check_record(
                RULES.plan.study,
                SNAKEMAKES_RECORDS,
                triggers={trigger.name.lower() for trigger in workflow.rerun_triggers},
                forced=workflow.dag_settings.forceall,
                touched=workflow.touch,
            )
        except UserError as error:
            refuse(error)
        if IN_ANOTHER:
            share_groups(workflow.group_settings, RENAMED, STAGES)
            join_hooks(workflow, hold_study, end_study)


def refuse(error):
    """End in one line, which any other exception would not do."""
    sys.exit(f"error: {error}")


try:
    if workflow.is_main_process:
        refuse_repeated(sys.argv)
        refuse_closed(SNAKEMAKES_RECORDS)
    for configfile in workflow.configfiles:
        check_keys(Path(configfile))
    FOLDERS = [Path(configfile).parent for configfile in workflow.configfiles]
    RULES = Rules(Plan(load_config(config, FOLDERS)), first=check_results)
except UserError as error:
    refuse(error)

if workflow.is_main_process and (SAID := conclusions(RULES.plan.grid)):
    logger.info(f"{RULES.plan.study.study}: {SAID}")


wildcard_constraints:
    dataset=r"\w+",
    task=r"\w+",
    design=r"\w+",
    level=r"-?[0-9.e]+(e-?\d+)?",
    seed=r"\d+",
    seeds=r"all|\d+",
    method=r"\w+",
    witness=r"\w+",
    explainers=r"\w+",
    region=r"\w+",


def growing(amount):
    """Memory or time for a job's first attempt; the second gets twice as much, and so on."""
    return lambda wildcards, attempt: amount * attempt


def one_of(names):
    """The wildcard constraint that allows these names and no other; none at all if there are none."""
    return "|".join(names) or "(?!)"


def pictures_of(figure):
    """The files of a figure's pictures; the first format of each is in Snakemake's report."""
    files = []
    for (first, *others), told in RULES.pictures(figure):
        files += [report(first, **told) if told else first, *others]
    return files


# As many jobs on local GPUs at once as there are GPUs: --resources gpu_jobs=N for another number.
if "gpu_jobs" not in workflow.global_resources and count_gpus():
    workflow.register_resource("gpu_jobs", count_gpus())


LOCK = Path(RULES.plan.paths.root) / ".lock"


def costs_of(jobs):
    """What a run's jobs cost, in words, and the seconds of one job by stage."""
    cores = 0 if workflow.non_local_exec else workflow.resource_settings.cores or 1
    return of_run(Estimate(RULES.plan), jobs, cores, 0 if not cores else count_gpus())


DISPLAY = None
if workflow.is_main_process and not IN_ANOTHER and wanted(workflow.output_settings):
    DISPLAY = Display(RULES.plan.study.study, costs_of, partial(opened, LOCK.parent))
    take_over(DISPLAY, logger)


def hold_study():
    """Refuse to run beside another run of the study or its jobs in SLURM, or with a wrong clock."""
    global STUDY_LOCK
    executor = workflow.scheduler._executor
    jobs = getattr(executor, "run_uuid", "")  # their name in SLURM's queue
    try:
        if jobs:
            refuse_absence()
            report_refusals(executor, SubmittedJobInfo)
        elif DISPLAY:
            os.environ[BARS] = "off"
        if any(job.name.endswith("train") for job in workflow.dag.needrun_jobs()):
            rehearse_study(RULES.plan.study)
        STUDY_LOCK = hold(LOCK, jobs)
        if workflow.touch:  # the cure for wrong dates
            date_anew(LOCK.parent)
        else:
            refuse_future(LOCK.parent, LOCK.stat().st_mtime)
        write_record(
            RULES.plan.study,
            SNAKEMAKES_RECORDS,
            forced=workflow.dag_settings.forceall,
            kept=workflow.execution_settings.keep_metadata,
        )
    except UserError as error:
        refuse(error)


def end_study():
    """Keep in the record that a whole run ended well, and forget its jobs in SLURM."""
    asked = workflow.dag_settings
    if not (asked.targets or asked.until or asked.omit_from or asked.batch):
        end_record(RULES.plan.study)
    forget_jobs(LOCK)
    show_end()


def show_end():
    """Print what to open, or how to go on."""
    if DISPLAY:
        DISPLAY.end(*workflow.logger_manager.get_logfile()[-1:])
