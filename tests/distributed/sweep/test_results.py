"""The end of a sweep: states, the best, the front, the page."""

import pytest
import yaml

from ganntk import config
from ganntk.distributed.sweep import plan as plans
from ganntk.distributed.sweep import results
from ganntk.report import sweep_page
from ganntk.report.sweep_page import Trial


def trial(name: str, lam: float, distance: float, copies: float, **more) -> Trial:
    series = {"held_out_distance": distance, "memorisation": copies, "step": 30.0}
    values = {"lam.value": lam, "kernel.name": "fnn"}
    given = {"state": "finished", "curve": [(10.0, 2 * distance), (30.0, distance)], **more}
    return Trial(name, f"memory://nothing/{name}", values, series, **given)


FAILED = Trial("t9", "memory://nothing/t9", {"lam.value": -1}, {}, "failed", "lam <is> wrong")
TRIALS = [trial(f"t{n}", n + 1.0, 0.1 * abs(n - 4) + 0.01, 0.1 * n) for n in range(9)] + [FAILED]
GOALS = {"held_out_distance": "min", "memorisation": "min"}


@pytest.fixture
def plan(tmp_path):
    file = tmp_path / "plan.yaml"
    held_out = {"type": "digits", "size": 99}
    raw = {
        "uri": str(tmp_path / "sweep"),
        "run": {"steps": 30, "stopping": {"type": "never", "every": 10, "held_out": held_out}},
        "space": {"kernel.name": ["fnn", "cnn-small"], "lam.value": [1, 2]},
        "objectives": GOALS,
    }
    file.write_text(yaml.safe_dump(raw))
    return plans.load(str(file))


def test_the_best_has_the_best_first_objective_and_did_not_fail(plan):
    best = results.best_of(plan, TRIALS)
    assert best is not None
    assert best.name == "t4"
    assert results.best_of(plan, [FAILED]) is None


def test_the_best_configuration_is_a_run(plan, tmp_path):
    best = results.best_of(plan, TRIALS)
    assert best is not None
    file = tmp_path / "best.yaml"
    file.write_text(results.best_yaml(plan, best))
    found = config.load(str(file))
    assert vars(found.lam) == {"value": 5.0}
    assert found.steps == 30
    assert found.run_uri == "runs/best-{time}"


def test_the_front_holds_what_no_other_beats(plan):
    names = [each.name for each in sweep_page.front_of(GOALS, TRIALS)]
    # From t0, which copies least, to t4, which is nearest: later ones are worse in both.
    assert names == ["t0", "t1", "t2", "t3", "t4"]
    only = {"held_out_distance": "min"}
    assert [each.name for each in sweep_page.front_of(only, TRIALS)] == ["t4"]


def test_the_table_has_a_row_for_every_trial(plan):
    table = results.table_of(plan, TRIALS)
    assert table.num_rows == 10
    assert table.column("state").to_pylist().count("failed") == 1
    assert table.column("lam.value").to_pylist()[4] == 5.0
    assert table.column("memorisation").to_pylist()[-1] is None


def test_the_page_stands_alone_and_says_what_failed(plan):
    best = results.best_of(plan, TRIALS)
    page = sweep_page.render(plan.uri, GOALS, TRIALS, best)
    assert page.count("<svg") == 4  # curves, importance, values, front
    assert "lam &lt;is&gt; wrong" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_a_page_without_a_usable_trial_still_says_why(plan):
    page = sweep_page.render(plan.uri, GOALS, [FAILED], None)
    assert "none came to a value" in page
    assert "lam &lt;is&gt; wrong" in page
