"""What children run for test_confirm_pool.py: the text of each task, as it is."""

from collections.abc import Callable

from flake8_nnx_mode.confirm import cage
from flake8_nnx_mode.confirm.jobs import Job, Outcome


def run(job: Job, emit: Callable[[Outcome], None]) -> None:
    for task in job.tasks:
        assert task.fixed is not None
        try:
            exec(compile(task.fixed, job.path, "exec"), {"__name__": "snippet"})
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            emit(Outcome(task.number, "INCONCLUSIVE", said, reason=cage.take_refusal() or ""))
        else:
            emit(Outcome(task.number, "REFUTED", "fine", reason=cage.take_refusal() or ""))
