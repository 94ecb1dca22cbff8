"""Runs a comparison: each arm in turn, the record after each run, the report at the end."""

import contextlib
import dataclasses
import datetime
import json
import math
import multiprocessing
import os
import shlex
import shutil
import time
from pathlib import Path

from kerasformer.child_process import deaf_to_interruption
from kerasformer.compare.arms import arms_of
from kerasformer.compare.inputs import changed_files, identify_model, identify_texts, load_data
from kerasformer.compare.label_curve import done_jobs, jobs_of, label_counts
from kerasformer.compare.progress import Progress
from kerasformer.compare.quality import quality_of
from kerasformer.compare.report import Findings, load_record, validate_record, write_findings
from kerasformer.compare.report.record import FORMAT
from kerasformer.compare.settings import MODELS, Settings
from kerasformer.compare.worker import KEPT, work
from kerasformer.errors import UserError, require
from kerasformer.files import (
    RESULTS,
    new_folder,
    only_writer,
    parse_json,
    refuse_used,
    write_whole,
    writing,
)
from kerasformer.formatting import joined
from kerasformer.hardware import describe_hardware, versions
from kerasformer.progress import say


def compare(output=None, resume=False, **settings) -> Path:
    """Compares models of a task: floors, from scratch, on frozen features, and fine-tuned.

    Each arm runs in a process of its own. The record is written after every run, so that an
    interruption loses no finished one.

    Args:
        output: Output folder, created if missing; by default a new one under `results/`.
        resume: Whether to continue a comparison that was interrupted or that an error ended: the
            one in `output`, or the latest one under `results/`. Its settings are kept.
        **settings: Those of `Settings`.

    Returns:
        The folder, with `record.json`, `table.md`, plots and `report.html`.

    Raises:
        UserError: A mistake in the settings or the data, or a folder that is in use.
        KeyboardInterrupt: Interrupted; finished runs are recorded and reported, and the message
            says how to continue.

    Example:

    >>> compare(data="reviews.csv", seeds=1, arms=["tfidf", "fine_tuned"])  # doctest: +SKIP
    PosixPath('results/compare-reviews-20260102-030405')
    """
    return compare_and_find(output, resume, **settings)[0]


def compare_and_find(output=None, resume=False, **settings) -> tuple[Path, Findings]:
    """`compare`, and what it found."""
    if getattr(multiprocessing.process.current_process(), "_inheriting", False):
        # An arm's process, which imports the script that called this.
        raise UserError(
            "A script calls compare() where it is imported, as the processes of the arms do: call "
            "it under if __name__ == '__main__'."
        )
    require("matplotlib", extra="compare")
    require("jinja2", extra="compare")
    folder = Path(output) if output is not None else None
    if resume:
        folder = folder or _latest_unfinished()
        if not folder.exists():
            raise UserError(
                f"There is no folder {folder} whose comparison could be continued: check --output, "
                "or leave --resume out."
            )
        if not (folder / "record.json").exists():
            raise UserError(
                f"{folder} has no record.json, as no run in it had finished: start the comparison "
                "without --resume."
            )
        record = load_record(folder)
        asked = _settings_to_resume(record, settings)
    else:
        asked = Settings.make(**settings)
        remedy = ", or --resume to go on with the comparison in it"
        refuse_used(folder, remedy, leftovers=[KEPT, MODELS])
    dataset = load_data(asked)
    model = identify_model(asked)  # fetched now, or refused before anything has run
    texts = identify_texts(asked)
    folder = folder or new_folder("compare", dataset.name)
    if not resume:
        record = _new_record(asked, dataset, model, texts)
    elif record["data"]["fingerprint"] != dataset.describe()["fingerprint"]:
        raise UserError(
            f"{asked.data} has changed since {folder} was started; start a new comparison."
        )
    elif changed := changed_files(record.get("model"), model):
        raise UserError(
            f"The model {asked.pretrained} has changed since {folder} was started (in "
            f"{joined(changed)}): start a new comparison."
        )
    elif changed := changed_files(record.get("unlabelled"), texts):
        raise UserError(
            f"What unlabelled names has changed since {folder} was started (in "
            f"{joined(changed)}): start a new comparison."
        )
    with only_writer(folder, "comparison"):
        return folder, _run_arms(record, dataset, asked, folder)


def _run_arms(record, dataset, settings, folder):
    deadline = math.inf if settings.minutes is None else time.monotonic() + 60 * settings.minutes
    done, rows, counts = done_jobs(record), arms_of(settings.task), label_counts(settings, dataset)
    wanted = {arm: jobs_of(rows[arm], settings.seeds, counts) for arm in settings.arms}
    todo = {arm: [job for job in own if (arm, job) not in done] for arm, own in wanted.items()}
    total = sum(map(len, wanted.values()))
    record["status"] = "interrupted"  # until the last run is done
    record.pop("error", None)
    try:
        quality = quality_of(settings.task, getattr(dataset, "tag_names", ()))
        with Progress(total, total - sum(map(len, todo.values())), quality) as progress:
            for arm, jobs in todo.items():
                if jobs:
                    with _noting_errors(record, _title(arm, settings)):
                        _run_arm(arm, jobs, record, dataset, settings, folder, progress, deadline)
                    shutil.rmtree(folder / KEPT, ignore_errors=True)
        shutil.rmtree(folder / KEPT, ignore_errors=True)  # of an arm that was killed at its end
        record["status"] = "complete"
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_continue(record, folder)) from None
    finally:
        if record["arms"]:
            _write_record(record, folder)
            findings = validate_record(record)
            write_findings(findings, folder)
            if record["status"] == "failed":
                say(f"kerasformer: {_how_to_continue(record, folder)}.")
        else:  # nothing to resume
            shutil.rmtree(folder / KEPT, ignore_errors=True)
    return findings


@contextlib.contextmanager
def _noting_errors(record, title):
    """Has the record say what ended the comparison, if an arm did."""
    try:
        yield
    except Exception as error:
        message = str(error).strip().rpartition("\n")[2]  # of a traceback the last line
        record.update(status="failed", error={"arm": title, "message": message})
        raise


def _title(arm, settings):
    name = settings.pretrained.rstrip("/").rpartition("/")[2]
    return arms_of(settings.task)[arm].title.format(pretrained=name)


def _how_to_continue(record, folder):
    runs = len(done_jobs(record))
    if not runs:
        return "no run had finished"
    command = shlex.join(["kerasformer", "compare", "--resume", "--output", str(folder)])
    return (
        f"{runs} finished run{'s' * (runs > 1)} and a report are in {folder}; continue by {command}"
    )


def _run_arm(arm, jobs, record, dataset, settings, folder, progress, deadline):
    """Runs an arm's process and records its runs as they come.

    After those of the first seed, a further one is begun only if it will end before the deadline.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    title = _title(arm, settings)
    progress.start(title, jobs[0])
    arguments = (sender, arm, dataset, settings, jobs, folder)
    process = context.Process(target=work, args=arguments)
    with deaf_to_interruption():
        process.start()
    sender.close()
    left, begun = len(jobs), time.monotonic()
    taken = {}  # the seconds of the last run by its number of labels
    try:
        with contextlib.suppress(EOFError):
            while True:
                kind, content = receiver.recv()
                if kind == "run":
                    _add_run(record, arm, title, **content)
                    _write_record(record, folder)
                    progress.finish(content["run"])
                    left -= 1
                    now = time.monotonic()
                    taken[content["job"].labels], begun = now - begun, now
                    is_further = left and jobs[-left].seed != settings.seeds[0]
                    if is_further and now + taken.get(jobs[-left].labels, 0) > deadline:
                        progress.leave_out(left)
                        return
                elif kind == "prepared":
                    begun = time.monotonic()
                elif kind == "start":
                    progress.start(title, **content)
                elif kind == "error":
                    error = UserError if content["expected"] else RuntimeError
                    raise error(content["message"])
                else:
                    getattr(progress, kind)(**content)
    finally:
        process.terminate()
        process.join()
        receiver.close()
    if left:
        code = process.exitcode
        told = "its own messages say why"
        if code == -9:  # SIGKILL, which Windows does not name
            told = "as it does when memory runs out: try a smaller --limit"
        raise UserError(f"The process of the arm {arm} died with status {code}, {told}.")


def _add_run(record, arm, title, job, settings, run, peak_memory_mib):
    arms = record["arms"]
    if job.labels is not None:  # of which the report shows no curves and errors
        arms = record.setdefault("label_curve", {}).setdefault(str(job.labels), {})
        run = run | {"history": [], "errors": []}
    entry = arms.setdefault(arm, {"runs": [], "title": title})
    peaks = [entry.get("peak_memory_mib"), peak_memory_mib]
    entry["settings"] = settings
    entry["peak_memory_mib"] = max((peak for peak in peaks if peak is not None), default=None)
    entry["runs"].append(run)


def _new_record(settings, dataset, model, texts=None):
    groups: dict[bytes, int] = {}
    alike = dataset.test.groups if settings.task == "answering" else []
    return {
        "format": FORMAT,
        "name": "compare",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "status": "interrupted",
        "settings": parse_json(json.dumps(dataclasses.asdict(settings)), "the settings"),
        "versions": versions(),
        "hardware": describe_hardware(),
        "data": dataset.describe(),
        "test_groups": [groups.setdefault(group, len(groups)) for group in alike] or None,
        "model": model,
        "unlabelled": texts,
        "arms": {},
        "label_curve": {},
    }


def _write_record(record, folder):
    with writing(folder / "record.json"):
        write_whole(folder / "record.json", json.dumps(record, separators=(",", ":")))


def _settings_to_resume(record, given):
    """The record's settings; those given anew must be the same."""
    settings = Settings.make(**record["settings"])
    given = {name: value for name, value in given.items() if value is not None}
    asked = Settings.make(**{"task": settings.task, "data": settings.data} | given)
    for name, value in dataclasses.asdict(asked).items():
        if name in given and value != getattr(settings, name):
            raise UserError(
                f"{name} was {getattr(settings, name)!r} when the comparison was started and is "
                f"{value!r} now; resume without it, or start a new comparison."
            )
    # Seeds that are asked for explicitly are all trained.
    return dataclasses.replace(settings, minutes=None) if given.get("seeds") else settings


def _latest_unfinished():
    for file in sorted(RESULTS.glob("*/record.json"), key=os.path.getmtime, reverse=True):
        with contextlib.suppress(UserError):
            if load_record(file)["status"] != "complete":
                return file.parent
    raise UserError(
        f"There is no unfinished comparison under {RESULTS}/: give its folder with --output, or "
        "start one without --resume."
    )
