"""What Prometheus says of the monitor, tried on series by `promtool test rules`."""

from pathlib import Path

import pytest
import yaml

from tests.deploy.test_compose import DEPLOY, run, tool

LOST = 'xmon_offsets_lost_total{topic="experience.contact",instance="a"}'


@pytest.mark.parametrize(
    ("values", "minutes", "fires"),
    [
        ("0x30 40x60", 35, True),
        ("40x300", 200, False),  # long ago
        ("40x30 50x200", 200, False),  # an hour after the last one
        ("_x30 40x60", 35, True),  # the first sample there is: Prometheus knows no zero before it
        ("7x30 _x3000 40x60", 3035, True),  # while serve, and so the series, was away for two days
        ("0x300", 200, False),
        ("40x200 _x15 40x200", 270, False),  # an hour after nobody scraped
        ("40x200 _x15 41x200", 270, True),  # lost while nobody scraped
        ("40x200 _x15 41x200", 290, False),
        ("40x200 0x60 5x200", 300, True),  # counted anew, under another prefix, and lost again
        ("40x200 0x60 5x200", 330, False),
    ],
)
def test_records_lost(tmp_path: Path, values: str, minutes: int, fires: bool) -> None:
    """It fires for an hour, also where nobody saw the counter move, and not because nobody looked."""
    firing = 'count(ALERTS{alertname="RecordsLost",alertstate="firing",severity="critical"}) or vector(0)'
    looked = {"expr": firing, "eval_time": f"{minutes}m", "exp_samples": [{"labels": "{}", "value": int(fires)}]}
    test = {"interval": "1m", "input_series": [{"series": LOST, "values": values}], "promql_expr_test": [looked]}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(DEPLOY / "prometheus/rules.yml")], "tests": [test]}))
    answer = run(tool("promtool"), "test", "rules", str(file))
    assert answer.returncode == 0, answer.stdout + answer.stderr
