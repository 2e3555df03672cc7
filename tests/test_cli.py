"""The command line: JSON alone on stdout, one line and exit code 2 on bad input. The first tests start it as people
do, in a process of its own; the others spare the second that this takes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lusifer import settings, store
from lusifer.cli.main import main
from lusifer.evaluation import fidelity
from lusifer.simulator.community import preparation
from tests.conftest import ROOT, write_tiny
from tests.servers.openai import KEY


def child(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``python -m lusifer`` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lusifer", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
        timeout=120,
    )


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The same in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(settings, "load_env_file", lambda: None)  # a developer's .env is no test's
        for name, value in env.items():
            patch.setenv(name, value)
        try:
            code = main(arguments)
        except SystemExit as end:  # argparse's
            code = int(end.code or 0)
    return subprocess.CompletedProcess(list(arguments), code, out.getvalue(), err.getvalue())


def answer(*arguments: str, **env: str) -> dict:
    done = run(*arguments, "--json", **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(*arguments: str, **env: str) -> str:
    done = run(*arguments, **env)
    assert done.returncode == 2, (done.stdout, done.stderr)
    last = done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr and not done.stdout
    return last


def test_evolve(data_dir: Path) -> None:
    done = child("evolve", "--dataset", "ml-100k", "--user", "405", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["user"] == 405 and [s["step"] for s in made["steps"]] == [1, 2, 3, 4]
    for step in made["steps"]:
        assert set(step) == {"step", "batch", "forecast", "profile", "explanation", "changes"}
        assert len(step["batch"]) == len(step["forecast"]) == 10
        assert set(step["batch"][0]) == {"item_id", "title", "rating", "timestamp"}
        assert set(step["forecast"][0]) == {"item_id", "rating", "expected"}
        for change in step["changes"]:
            assert set(change) == {"aspect", "direction", "item_ids"}
    assert (data_dir / "lusifer.db").is_file()
    assert answer("evolve", "--user", "405") == made
    short = answer("evolve", "--user", "405", "--history", "20", "--batch-size", "5")
    assert [len(s["batch"]) for s in short["steps"]] == [5] * 4
    plain = child("evolve", "--user", "405")
    assert "Step 4" in plain.stdout and made["steps"][3]["explanation"] in plain.stdout


def test_audit_with_a_judge(data_dir: Path, openai_server) -> None:
    made = answer("audit", "--user", "405")
    assert made["faithfulness"] > 0.95 and {c["step"] for c in made["claims"]} == {1, 2, 3, 4}
    openai_server.always = "doubtful"
    env = {"OPENAI_BASE_URL": openai_server.url, "OPENAI_API_KEY": KEY}
    judged = answer("audit", "--user", "405", "--judge", "openai:small", **env)
    assert len(openai_server.requests) == 4 and 0 < judged["agreement"] < 1
    assert [{k: c[k] for k in ("text", "verdict")} for c in judged["claims"]] == [
        {k: c[k] for k in ("text", "verdict")} for c in made["claims"]
    ]
    assert {c["judge"] for c in judged["claims"]} == {"supported", "unsupported"}
    assert answer("runs", "show", judged["run"])["kind"] == "judgement"
    plain = run("audit", "--user", "405", "--judge", "openai:small", **env)
    assert "agrees with the audit on" in plain.stdout and len(openai_server.requests) == 4, "stored, so not asked again"
    assert "can be asked" in refusal("audit", "--user", "405", "--judge", "builtin")


def test_rate(data_dir: Path) -> None:
    rows = answer("rate", "--user", "405", "--items", "50,172")["ratings"]
    assert [r["item_id"] for r in rows] == [50, 172] and rows[0]["title"] == "Star Wars (1977)"
    for row in rows:
        assert set(row) == {"item_id", "title", "rating", "expected", "reason", "true_rating"}
        assert row["rating"] in {1, 2, 3, 4, 5} and row["reason"]
    none = answer("rate", "--user", "405", "--items", "50", "--step", "0")["ratings"][0]
    assert none["expected"] != rows[0]["expected"]


def test_evaluate_a_split_and_two_files(data_dir: Path, last10, tmp_path: Path) -> None:
    names = "constant,user-mean,item-mean,bias"
    made = answer("evaluate", "--split", "last-10", "--predictors", names)
    assert made["rows"] == 9392 and list(made["predictors"]) == names.split(",")
    bias, metrics = made["predictors"]["bias"], ("rmse", "mae", "r2", "pearson")
    assert set(bias) == {*metrics, "seconds", *(f"{m}_{end}" for m in metrics for end in ("low", "high"))}
    assert bias["rmse_low"] < bias["rmse"] < bias["rmse_high"]
    assert made["predictors"]["bias"]["rmse"] < 1.04
    assert made["predictors"]["constant"]["pearson"] is None, "NaN is no JSON"
    for name, table in (("train", last10.train), ("test", last10.test)):
        frame = table.frame()[["user_id", "item_id", "rating", "timestamp"]]
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    files = answer(
        "evaluate",
        "--dataset",
        "ml-100k",
        "--train",
        str(tmp_path / "train.csv"),
        "--test",
        str(tmp_path / "test.csv"),
        "--predictors",
        names,
    )
    for name in names.split(","):
        a, b = made["predictors"][name], files["predictors"][name]
        assert a["rmse"] == b["rmse"] and a["mae"] == b["mae"]


def test_evaluate_the_simulator_on_a_sample(data_dir: Path) -> None:
    made = answer("evaluate", "--predictors", "simulator,bias", "--users", "20", "--seed", "1")
    assert made["rows"] == 200 and made["predictors"]["simulator"]["rmse"] < 1.6


def test_what_a_fit_prints_is_no_part_of_the_json(data_dir: Path) -> None:
    """It runs in a process of its own, whose output must not come between."""
    done = child("evaluate", "--predictors", "item-knn", "--seed", "5", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["rows"] == 9392, done.stderr


def test_a_method_without_its_library_is_left_out(data_dir: Path, monkeypatch) -> None:
    """The others are compared; with nothing left the command ends with the reason."""
    monkeypatch.setitem(sys.modules, "surprise", None)
    done = run("evaluate", "--predictors", "svdpp,bias", "--json")
    assert done.returncode == 0 and list(json.loads(done.stdout)["predictors"]) == ["bias"]
    assert "svdpp is left out" in done.stderr
    done = run("evaluate", "--predictors", "svdpp")
    assert done.returncode == 2 and "scikit-surprise, which is not installed" in done.stderr


def test_the_help_lists_every_predictor() -> None:
    from lusifer.baselines import BASELINES

    words = run("evaluate", "--help").stdout.replace(",", " ").split()
    assert {*BASELINES, "simulator", "builtin"} <= set(words)


def test_evaluate_yields_the_calibrated_simulator(data_dir: Path) -> None:
    made = answer(
        "evaluate",
        "--predictors",
        "simulator,als,ncf,rnn4rec,item-knn",
        "--users",
        "30",
        "--user-group",
        "held-out",
        "--metrics",
        "all",
    )
    found = made["predictors"]
    assert list(found) == ["simulator", "simulator-calibrated", "als", "ncf", "rnn4rec", "item-knn"]
    assert found["simulator-calibrated"]["rmse"] < found["simulator"]["rmse"]
    assert {"spearman", "within_user", "exact", "off_by_one", "coverage"} <= set(found["als"])
    alone = answer("evaluate", "--predictors", "simulator", "--users", "5", "--calibrate", "off")
    assert list(alone["predictors"]) == ["simulator"]


def test_evaluate_with_evidence(tmp_path: Path) -> None:
    """On a small data set of our own: two files, the factorisation machine, evidence told and used."""
    rng = np.random.default_rng(3)
    taste, kind = rng.normal(size=50), rng.normal(size=40)
    rows = [
        (u + 1, int(i) + 1, int(np.clip(round(3.2 + taste[u] * kind[i]), 1, 5)), 100 + n)
        for u in range(50)
        for n, i in enumerate(rng.choice(40, 25, replace=False))
    ]
    write_tiny(tmp_path / "set", rows, 50, 40)
    head = "user_id,item_id,rating,timestamp\n"
    for name, part in (("train", rows[:1000]), ("test", rows[1000:])):
        lines = "\n".join(",".join(map(str, r)) for r in part)
        (tmp_path / f"{name}.csv").write_text(f"{head}{lines}\n")
    files = ("--train", str(tmp_path / "train.csv"), "--test", str(tmp_path / "test.csv"))
    env = {"LUSIFER_DATA": str(tmp_path / "data")}
    asked = (
        "evaluate",
        "--dataset",
        str(tmp_path / "set"),
        *files,
        "--predictors",
        "simulator,fm,bias",
    )
    made = answer(*asked, "--evidence", "on", **env)
    assert made["rows"] == 250
    assert list(made["adds"]) == ["over_fm"], "calibrated by the factorization machine, measured over it"
    assert list(made["predictors"]) == ["simulator", "simulator-calibrated", "fm", "bias"]
    again = answer(*asked, "--evidence", "on", **env)
    for name, values in made["predictors"].items():
        assert values["rmse"] == again["predictors"][name]["rmse"], "kept, and the same"
    without = answer(*asked, **env)
    assert without["predictors"]["simulator"]["rmse"] != made["predictors"]["simulator"]["rmse"]
    split = answer(
        "evaluate", "--dataset", str(tmp_path / "set"), "--split", "cold-3", "--predictors", "simulator,bias", **env
    )
    assert split["rows"] == 100


def test_data_info_and_fetch_of_what_is_there(data_dir: Path, ml100k) -> None:
    made = answer("data", "info", "ml-100k")
    assert (made["users"], made["items"], made["ratings"]) == (943, 1682, 100_000)
    assert made["hash"] == ml100k.hash and "last-10" in made["splits"]
    there = answer("data", "fetch", "ml-100k")
    assert there["hash"] == ml100k.hash


def test_bad_input_ends_a_process_with_2(data_dir: Path) -> None:
    done = child("evolve", "--user", "9999")
    assert done.returncode == 2 and not done.stdout and "no user 9999" in done.stderr
    assert "Traceback" not in done.stderr and child("evolve").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["evolve", "--user", "9999"], "no user 9999"),
        (["evolve", "--user", "x"], "no user x"),
        (["evolve", "--user", "1", "--split", "u9"], "u9"),
        (["evolve", "--user", "1", "--dataset", "ml-3"], "ml-3"),
        (["evolve", "--user", "1", "--model", "gpt"], "names no model"),
        (["evolve", "--user", "1", "--history", "0"], "at least 1"),
        (["evolve"], "--user"),
        (["rate", "--user", "1", "--items", "50,x"], "no movie x"),
        (["rate", "--user", "1", "--items", ","], "names no movie"),
        (["rate", "--user", "1", "--items", "50,50"], "requested twice"),
        (["rate", "--user", "1", "--items", "99999"], "no movie 99999"),
        (["rate", "--user", "1", "--items", "50", "--step", "9"], "no step 9"),
        (["evaluate", "--predictors", "oracle"], "no predictor"),
        (["evaluate", "--train", "a.csv"], "both --train and --test"),
        (["evaluate", "--users", "0"], "at least one user"),
        (["evaluate", "--train", "no.csv", "--test", "no.csv"], "is not there"),
        (["dance"], "invalid choice"),
        (["data", "fetch", "netflix"], "no dataset"),
    ],
)
def test_bad_input(data_dir: Path, arguments: list[str], says: str) -> None:
    line = refusal(*arguments)
    assert says in line and line.startswith(("lusifer: ", "python -m lusifer"))


def test_three_ratings_and_none(tmp_path: Path) -> None:
    rows = [(1, i, i % 5 + 1, i) for i in range(1, 14)] + [(2, i, 4, 9) for i in (1, 2, 3)]
    write_tiny(tmp_path / "data" / "ml-100k", rows, 2, 14)
    train, test = tmp_path / "a.csv", tmp_path / "b.csv"
    head = "user_id,item_id,rating,timestamp\n"
    train.write_text(head + "1,1,2,1\n1,2,3,2\n1,3,4,3\n")
    test.write_text(head + "2,1,4,9\n")
    env = {"LUSIFER_DATA": str(tmp_path / "data")}
    assert "holds 2 users" in refusal("evolve", "--user", "1", **env)
    (tmp_path / "data" / "ml-100k").rename(tmp_path / "data" / "tiny")
    folder = str(tmp_path / "data" / "tiny")
    made = answer("evolve", "--dataset", folder, "--split", "last-10", "--user", "1", **env)
    assert [len(s["batch"]) for s in made["steps"]] == [3]
    line = refusal("evolve", "--dataset", folder, "--user", "2", **env)
    assert "User 2 has no rating in the training set of last-10" in line
    made = answer(
        "evaluate",
        "--dataset",
        folder,
        "--train",
        str(train),
        "--test",
        str(test),
        "--predictors",
        "constant,bias",
        **env,
    )
    assert made["rows"] == 1


def test_missing_damaged_and_unwritable_data(tmp_path: Path) -> None:
    assert "data fetch" in refusal("evolve", "--user", "1", LUSIFER_DATA=str(tmp_path))
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u.data").write_text("1\t2\tthree\t4\n")
    assert "u.data" in refusal("data", "info", LUSIFER_DATA=str(tmp_path))
    (tmp_path / "file").write_text("")
    line = refusal("data", "fetch", LUSIFER_DATA=str(tmp_path / "file" / "data"))
    assert "can't be written" in line and "LUSIFER_DATA" in line


def test_the_built_in_works_without_a_database(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file" / "lusifer.db")
    done = run("evolve", "--user", "1", "--json", LUSIFER_DB=nowhere)
    assert done.returncode == 0 and len(json.loads(done.stdout)["steps"]) == 4
    assert "nothing will be saved" in done.stderr
    line = refusal("evolve", "--user", "1", "--model", "openai:m", LUSIFER_DB=nowhere)
    assert "can't be created" in line


def test_a_locked_database(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setattr(store.core, "BUSY_SECONDS", 0.5)
    answer("evolve", "--user", "1")
    holder = sqlite3.connect(data_dir / "lusifer.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        line = refusal("evolve", "--user", "2")
        assert "is locked" in line and "close that one" in line
    finally:
        holder.close()


def test_a_language_model_and_no_call_the_second_time(data_dir: Path, openai_server) -> None:
    env = {"OPENAI_BASE_URL": openai_server.url, "OPENAI_API_KEY": KEY}
    made = answer("evolve", "--user", "405", "--model", "openai:small", **env)
    assert len(made["steps"]) == 4 and len(openai_server.requests) == 8
    rated = answer("rate", "--user", "405", "--items", "50", "--model", "openai:small", **env)
    assert rated["ratings"][0]["reason"] == "Reason for movie 1.", "movies are numbered in the question"
    assert len(openai_server.requests) == 9
    assert answer("evolve", "--user", "405", "--model", "openai:small", **env) == made
    assert len(openai_server.requests) == 9
    for file in data_dir.glob("lusifer.db*"):
        assert KEY.encode() not in file.read_bytes()


def test_a_wrong_key_and_an_unreachable_server(data_dir: Path, openai_server) -> None:
    wrong = "sk-wrong-0123456789abcdef"
    ask = ["evolve", "--user", "405", "--model", "openai:small"]
    line = refusal(*ask, OPENAI_BASE_URL=openai_server.url, OPENAI_API_KEY=wrong)
    assert "did not accept the key" in line and wrong not in line
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    line = refusal(*ask, OPENAI_BASE_URL=url, OPENAI_API_KEY=KEY)
    assert "can't be reached" in line and "OPENAI_BASE_URL" in line
    assert "no key for OpenAI" in refusal(*ask)


def test_a_taken_port(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refusal("app", "--port", port, "--no-browser")
    assert f"127.0.0.1:{port} is taken" in line and "PORT=" in line


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, lusifer.cli.main as c\n"
        "try: c.main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'streamlit', 'openai', 'plotly', 'pyarrow', 'surprise'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_prompts_are_listed_labelled_and_travel(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    assert answer("prompts", "export", "active", str(file))["version"].startswith("grounded-")
    said = json.loads(file.read_text()) | {"name": "mine", "recent": 3}
    file.write_text(json.dumps(said))
    assert answer("prompts", "import", str(file), "--note", "three")["name"] == "v5"
    listed = answer("prompts", "list")
    assert listed["versions"][0]["note"] == "three" and listed["labels"] == {
        "active": 4,
        "baseline": 4,
    }
    assert answer("prompts", "label", "active", "v5") == {
        "label": "active",
        "number": 5,
        "before": 4,
    }
    (change, name) = answer("prompts", "diff", "baseline", "active")["differences"][::-1]
    assert (name["what"], change["what"], change["after"]) == ("name", "recent", "3")
    assert answer("prompts", "rollback")["number"] == 4
    assert "no prompt version v9" in refusal("prompts", "label", "active", "v9")
    assert "no prompts named" in refusal("evolve", "--user", "405", "--model", "openai:x", "--prompts", "gone")
    plain = run("prompts", "list")
    assert "v5" in plain.stdout and "active" in plain.stdout


def test_a_run_moves_to_another_machine_and_replays(data_dir: Path, tmp_path: Path, openai_server) -> None:
    env = {"OPENAI_BASE_URL": openai_server.url, "OPENAI_API_KEY": KEY}
    asked = answer("evolve", "--user", "405", "--model", "openai:small", **env)
    run_id = (
        sqlite3.connect(data_dir / "lusifer.db")
        .execute("select 'evolve-' || id from evolutions where model = 'openai:small'")
        .fetchone()[0]
    )
    db = sqlite3.connect(data_dir / "lusifer.db")
    db.execute("update calls set run_id = ?", [run_id])
    db.commit()
    db.close()
    file = tmp_path / "run.db"
    made = answer("runs", "export", run_id, str(file))
    assert made["rows"]["answers"] == 8 and made["rows"]["steps"] == 4
    assert KEY.encode() not in file.read_bytes()
    count = len(openai_server.requests)
    there = {
        "LUSIFER_DB": str(tmp_path / "there.db"),
        "OPENAI_BASE_URL": openai_server.url,
        "OPENAI_API_KEY": "",
    }
    assert answer("runs", "import", str(file), **there)["rows"]["answers"] == 8
    assert answer("evolve", "--user", "405", "--model", "openai:small", **there) == asked
    assert len(openai_server.requests) == count, "nobody was asked, and no key was needed"
    assert "already exists" in refusal("runs", "export", run_id, str(file))
    assert "no run" in refusal("runs", "export", "nothing", str(tmp_path / "x.db"))


def test_an_experiment_and_the_card_that_reads_it(data_dir: Path) -> None:
    (made,) = answer("experiment", "loop", "--users", "24")["experiments"]
    assert len(made["sentences"]) == 2 and made["figures"]["mean"][0] is not None
    card = answer("trust")
    drift = next(x for x in card["lines"] if x["key"] == "drift")
    assert drift["run"] == made["run"] and drift["value"] == made["figures"]["mean"][0]
    assert [v["fit"] for v in card["verdicts"]] == [False] * 3
    plain = run("experiment", "order", "--users", "12")
    assert plain.returncode == 0 and "newest first" in plain.stdout and "/s" in plain.stderr
    assert "# Trust card" in run("trust").stdout


def test_an_experiment_refuses_bad_input(data_dir: Path) -> None:
    assert "can't be '99'" in refusal("experiment", "loop", "--option", "rounds=99")
    assert "Known: none" in refusal("experiment", "order", "--option", "rounds=2")
    assert "at least 5" in refusal("experiment", "shift", "--users", "3")
    assert "no experiment run" in refusal("experiment", "loop", "--resume", "nonsense")


def test_an_experiment_is_priced_budgeted_and_gone_on_with(data_dir: Path, openai_server) -> None:
    env = {"OPENAI_BASE_URL": openai_server.url, "OPENAI_API_KEY": KEY}
    asked = ("experiment", "order", "--model", "openai:a", "--users", "2")
    (cost,) = answer(*asked, "--estimate", **env)["experiments"]
    assert cost["calls"] > 0 and not openai_server.requests
    openai_server.behave(*["ok"] * 5, *["401"] * 40)
    assert "--budget" in refusal(*asked, **env) and not openai_server.requests
    openai_server.queue.clear()
    openai_server.behave(*["ok"] * 5, *["401"] * 40)
    assert "lusifer:" in refusal(*asked, "--yes", **env)
    stopped = sqlite3.connect(data_dir / "lusifer.db").execute("select id, status from runs").fetchall()
    assert [s for _, s in stopped] == ["failed"]
    openai_server.queue.clear()
    (made,) = answer("experiment", "order", "--resume", stopped[0][0], "--yes", **env)["experiments"]
    assert made["run"] == stopped[0][0] and made["usage"]["made"] <= cost["calls"] + 2
    assert "is done" in refusal("experiment", "order", "--resume", stopped[0][0], **env)


def test_own_tables_are_listed_mapped_and_read(data_dir: Path) -> None:
    from tests.datasets.test_releases import write_albums

    write_albums(data_dir / "music", "csv")
    listed = answer("data", "list")
    assert "ml-100k" in listed["ready"] and listed["waiting"] == ["music"] and "ml-32m" in listed["fetchable"]
    guess = answer("data", "map", "music")
    assert not guess["accepted"] and guess["mapping"]["ratings"]["columns"]["user"] == "listener"
    assert "no role" in refusal("data", "map", "music", "--set", "ratings.colour=x")
    assert "not a rating scale" in refusal("data", "map", "music", "--scale", "ten")
    assert "no column 'x'" in refusal("data", "map", "music", "--set", "ratings.user=x", "--accept")
    assert answer("data", "list")["waiting"] == ["music"], "a mapping that does not work is not kept"
    names = ("--title", "My music", "--one", "record", "--many", "records")
    made = answer("data", "map", "music", "--accept", "--scale", "2,10,2", *names)
    assert made["ratings"] == 5 and made["mapping"]["title"] == "My music" and made["report"]
    assert (made["mapping"]["one"], made["mapping"]["many"]) == ("record", "records")
    info = answer("data", "info", "music")
    assert info["title"] == "My music" and info["scale"] == [2.0, 10.0, 2.0]


def test_a_population_by_command(data_dir: Path, openai_server, tmp_path: Path) -> None:
    made = answer("simulate", "--users", "12", "--recbole", str(tmp_path / "out"))
    assert made["given"] == 120 and Path(made["file"]).is_file() and Path(made["recbole"]).is_file()
    env = {"OPENAI_BASE_URL": openai_server.url, "OPENAI_API_KEY": KEY}
    asked = ("simulate", "--users", "2", "--model", "openai:a")
    cost = answer(*asked, "--estimate", **env)
    assert cost["calls"] > 0 and not openai_server.requests
    assert "--budget" in refusal(*asked, **env) and not openai_server.requests
    openai_server.behave(*["ok"] * 5, *["401"] * 40)
    refusal(*asked, "--yes", **env)
    (run,) = sqlite3.connect(data_dir / "lusifer.db").execute("select id from runs where status = 'failed'").fetchone()
    openai_server.queue.clear()
    done = answer("simulate", "--resume", run, "--yes", **env)
    assert done["run"] == run and done["given"] == 20 and done["failed_users"] == 0
    assert "no simulation" in refusal("simulate", "--resume", "nonsense")
    assert "not a number" in refusal("simulate", "--users", "some")


def test_a_population_at_half_price(data_dir: Path, openai_server) -> None:
    env = {"OPENAI_BASE_URL": openai_server.url, "OPENAI_API_KEY": KEY}
    asked = (
        "simulate",
        "--users",
        "3",
        "--model",
        "openai:a",
        "--engine",
        "openai-batch",
        "--poll-interval",
        "0.01",
    )
    made = answer(*asked, "--yes", **env)
    assert made["given"] == 30 and openai_server.batched and not openai_server.requests
    assert made["usage"]["made"] == len(openai_server.batched) == len(set(openai_server.batched))
    assert "nothing to batch" in refusal("simulate", "--users", "3", "--engine", "openai-batch")


@pytest.fixture(scope="module")
def small_world(tmp_path_factory) -> dict[str, str]:
    """A data folder with a dataset of 60 users who agree with each other about genres."""
    rng, folder = np.random.default_rng(5), tmp_path_factory.mktemp("small")
    taste, kind = rng.normal(size=(60, 2)), rng.normal(size=(70, 2))
    rows = [
        (u + 1, int(i) + 1, int(np.clip(round(3.2 + taste[u] @ kind[i] + rng.normal(0, 0.4)), 1, 5)), 100 + n)
        for u in range(60)
        for n, i in enumerate(rng.choice(70, 50, replace=False))
    ]
    write_tiny(folder / "small", rows, 60, 70)
    return {"LUSIFER_DATA": str(folder)}


def test_every_line_of_the_trust_card_can_be_filled_without_a_browser(small_world, monkeypatch) -> None:
    for module, name, smaller in (
        (fidelity, "DRAWS", 30),
        (preparation, "FULL_FIT", (12, 8)),
        (preparation, "FOLD_FIT", (10, 6)),
    ):
        monkeypatch.setattr(module, name, smaller)  # what takes most of the time
    data = ("--dataset", str(Path(small_world["LUSIFER_DATA"]) / "small"))
    compared = answer(
        "evaluate",
        *data,
        "--predictors",
        "simulator-combined,bias,fm",
        "--evidence",
        "both",
        "--users",
        "40",
        **small_world,
    )
    assert {"simulator", "simulator-calibrated", "simulator-evidence"} <= set(compared["predictors"])
    assert all(low < high for _, low, high in compared["simulator_minus"].values())
    real = answer("realism", *data, "--users", "24", **small_world)
    assert real["simulators"]["calibrated"]["auc"][0] is not None
    ranked = answer("agents", "rank", *data, "--steps", "10", **small_world)
    assert ranked["variants"] > 30 and len(ranked["tau"]) == 3
    by_users = answer("agents", "rank", *data, "--comparison", compared["run"], **small_world)
    assert by_users["users"] == 40 and by_users["comparison"] == compared["run"]
    assert "tau of 40 real users" in run("agents", "rank", *data, "--comparison", compared["run"], **small_world).stdout
    for name in ("contamination", "closed-loop", "repeatability"):
        answer("experiment", name, *data, "--users", "24", **small_world)
    card = answer("trust", *data, **small_world)
    missing = [line["key"] for line in card["lines"] if line["value"] is None and not line["note"]]
    assert not missing
    runs = answer("runs", "list", **small_world)["runs"]
    assert {line["run"] for line in card["lines"] if line["run"]} <= {r["id"] for r in runs}
    assert {r["kind"] for r in runs} == {
        "comparison",
        "fidelity",
        "agreement",
        "recommender-ranking",
        "experiment",
    }
    assert {r["status"] for r in runs} == {"done"}
    shown = answer("runs", "show", compared["run"], **small_world)
    assert shown["summary"]["rows"] == compared["rows"] and Path(shown["table"]).is_file()
    assert "Comparison of predictors" in run("runs", "show", compared["run"], **small_world).stdout
    plain = run("runs", "list", "--kind", "fidelity", "--limit", "1", **small_world).stdout
    assert len(plain.splitlines()) == 1 and real["run"] in plain


def test_a_comparison_can_be_left_out_of_the_runs(small_world, tmp_path) -> None:
    env = {**small_world, "LUSIFER_DB": str(tmp_path / "none.db")}
    data = ("--dataset", str(Path(small_world["LUSIFER_DATA"]) / "small"))
    made = answer("evaluate", *data, "--predictors", "simulator,bias", "--no-record", **env)
    assert made["run"] is None and not answer("runs", "list", **env)["runs"]
    plain = run("evaluate", *data, "--predictors", "simulator,bias", **env)
    (recorded,) = answer("runs", "list", **env)["runs"]
    assert f"run {recorded['id']}" in plain.stdout and " to " in plain.stdout and recorded["status"] == "done"
    answer("runs", "pin", recorded["id"], **env)
    assert answer("runs", "list", **env)["runs"][0]["pinned"]
    assert answer("runs", "unpin", recorded["id"], **env) == {"run": recorded["id"], "pinned": False}
    assert "no kind" in refusal("runs", "list", "--kind", "x", **env)
    assert "no run" in refusal("runs", "show", "x", **env) and "no run" in refusal("runs", "pin", "x", **env)


def test_agents_play_by_command(small_world) -> None:
    data = ("--dataset", str(Path(small_world["LUSIFER_DATA"]) / "small"))
    asked = ("agents", "play", *data, "--agents", "random,bias", "--steps", "60", "--seeds", "2", "--seed", "3")
    made = answer(*asked, **small_world)
    assert [row["agent"] for row in made["agents"]] == ["random", "bias"]
    assert made["agents"] == answer(*asked, **small_world)["agents"], "the same seeds, the same play"
    shown = answer("runs", "show", made["run"], **small_world)
    assert shown["params"]["seeds"] == [3, 4] and shown["seed"] == 3
    assert "Known: random" in refusal("agents", "play", *data, "--agents", "nobody", **small_world)
    assert "Known: " in refusal("agents", "play", *data, "--reward", "fame", **small_world)
    assert "at least one step" in refusal("agents", "play", *data, "--steps", "0", **small_world)


def test_prompts_are_compared_by_command(data_dir: Path, openai_server) -> None:
    env = {"OPENAI_BASE_URL": openai_server.url, "OPENAI_API_KEY": KEY}
    asked = ("prompts", "compare", "concise", "paper", "--models", "openai:a", "--users", "4", "--items", "2")
    cost = answer(*asked, "--estimate", **env)
    assert cost["calls"] > 0 and not openai_server.requests
    assert "--budget" in refusal(*asked, **env) and not openai_server.requests
    made = answer(*asked, "--yes", **env)
    assert list(made["candidates"]) == ["concise", "paper"] and made["base"] == "concise" and made["users"] == 4
    assert "delta_low" in made["candidates"]["paper"]["rmse"] and made["usage"]["made"] == len(openai_server.requests)
    plain = run(*asked, "--yes", **env)
    assert "differences from concise" in plain.stdout and f"run {made['run']}" not in plain.stdout
    assert [r["kind"] for r in answer("runs", "list")["runs"]] == ["prompt-trial"] * 2
    assert "nothing to compare" in refusal("prompts", "compare", "concise", "--models", "openai:a", **env)
    assert "no answers of grounded-2 in a stored" in refusal("prompts", "suggest", "--model", "openai:a", **env)
    wanted = ("prompts", "suggest", "concise", "--model", "openai:a", "--run", made["run"])
    assert answer(*wanted, "--estimate", **env)["calls"] == 1
    assert "--budget" in refusal(*wanted, **env)
    suggested = answer(*wanted, "--yes", "--save", **env)
    assert [(s["template"], s["version"], s["problems"]) for s in suggested["suggestions"]] == [
        ("rate", "v5", []),
        ("update", "v6", []),
        ("first", "v7", []),
    ]
    assert answer("prompts", "list")["labels"] == {"active": 4, "baseline": 4}, "none is active by itself"
    openai_server.behave("same-change")
    shown = run(*wanted, "--draw", "1", "--yes", **env).stdout
    assert "1. rate of concise, saved as v5" in shown and "can't be used as it is: It is the text" in shown
    assert (
        "+Mind a strict rater." in shown
        and f"prompts compare concise v5 v7 --models openai:a --users-of {made['run']}" in shown
    )
    test = ("prompts", "compare", "concise", "v5", "v7", "--models", "openai:a")
    tested = answer(*test, "--users-of", made["run"], "--yes", **env)
    assert tested["users"] == 4 and tested["asked"] == made["asked"] and list(tested["candidates"]) == [*test[2:5]]
    assert "no answers" in refusal(*test, "--users-of", "gone", "--yes", **env)
    assert "not a temperature" in refusal(*asked, "--temperatures", "warm", **env)
    paid = ("--model", "openai:a", "--users", "12")
    assert "--budget" in refusal("realism", *paid, **env)
    assert "--budget" in refusal("agents", "play", "--model", "openai:a", "--steps", "5", "--seeds", "1", **env)


def shop(folder: Path) -> Path:
    """Reviews of products: ids are texts, some of them digits with zeros before them."""
    from tests.datasets.tables import ITEMS, lines, ratings, write

    header = ("reviewerID", "asin", "overall", "unixReviewTime")
    products = lines(("asin", "title"), [(f"{i:010d}", f"Thing {i:010d}") for i in ITEMS])
    table = ratings(lambda u: f"A{u}", lambda i: f"{i:010d}", header)
    return write(folder, reviews__csv=table, products__csv=products)


def test_ids_on_the_command_line_are_the_files_ids(data_dir: Path) -> None:
    shop(data_dir / "shop")
    seen = answer("data", "map", "shop")["preview"]
    assert seen["joins"][0]["text"] == "72 of 72 ratings (100 %) find their item by asin = asin"
    assert answer("data", "map", "shop", "--accept")["ratings"] == 72
    options = ("--dataset", "shop", "--split", "last-2")
    made = answer("rate", "--user", "A2", "--items", "0000000009,0000000010", *options)["ratings"]
    assert [(r["item_id"], r["title"]) for r in made] == [(x, f"Thing {x}") for x in ("0000000009", "0000000010")]
    assert made[0]["true_rating"] == 1 + 18 % 5
    evolved = answer("evolve", "--user", "A2", *options)
    assert evolved["user"] == "A2" and evolved["steps"][0]["batch"][0]["item_id"] == "0000000001"
    assert "no user 2" in refusal("evolve", "--user", "2", *options)
    assert "Written alike: 0000000009" in refusal("rate", "--user", "A2", "--items", "9", *options)
    shown = child("rate", "--user", "A2", "--items", "0000000009", *options)
    assert shown.stdout.startswith("0000000009 Thing 0000000009:"), "it says which product was meant"


def test_a_mapping_with_a_wrong_join_is_refused_and_can_be_mended(data_dir: Path) -> None:
    from tests.datasets.tables import ITEMS, lines, ratings, write

    folder = write(
        data_dir / "films",
        ratings__csv=ratings(header=("userId", "movieId", "rating", "timestamp")),
        films__csv=lines(("film_id", "title"), [(500 + i, f"Film {i}") for i in ITEMS]),
        way__csv=lines(("number", "film_id"), [(i, 500 + i) for i in ITEMS]),
    )
    assert "only 0 of 72 ratings" in refusal("data", "map", "films", "--accept")
    assert not (folder / "mapping.json").exists()
    assert "not a links table" in refusal("data", "map", "films", "--links", "way.csv")
    way = answer(
        "data", "map", "films", "--links", "way.csv:number=film_id", "--accept", "--one", "film", "--many", "films"
    )
    assert way["preview"]["joins"][0]["matched"] == 72 and way["mapping"]["links"]["file"] == "way.csv"
    rated = answer("rate", "--dataset", "films", "--split", "last-2", "--user", "1", "--items", "7")["ratings"]
    assert rated[0]["title"] == "Film 7"
    answer("data", "map", "films", "--links", "", "--despite-concerns", "--accept")
    text = child("data", "map", "films", "--set", "users.file=way.csv", "--set", "users.id=number").stdout
    assert "CONCERN: only 0 of 72 ratings (0 %) find their item by movieId = film_id" in text
    assert "scale 1 to 5 by 1; ratings: 1: " in text and "times from 2014-05-" in text and "not read: " not in text


RECORDED = "recorded:last10-37users-plain"


def test_a_recorded_model_by_command(shared_data, tmp_path) -> None:
    env = {"LUSIFER_DATA": str(tmp_path), "LUSIFER_DB": str(tmp_path / "x.db")}
    (tmp_path / "ml-100k").symlink_to(shared_data / "ml-100k", target_is_directory=True)
    listed = {r["model"]: r for r in answer("recordings", "list", **env)["recordings"]}
    assert listed.keys() == {RECORDED, "recorded:last10-37users-anonymous"}
    assert all(len(r["users"]) == 37 and r["answers"] == 295 for r in listed.values())
    shown = answer("recordings", "show", RECORDED, **env)
    assert shown["split"] == "last-10" and shown["answered_by"] and shown["note"]
    compared = answer("evaluate", "--model", RECORDED, "--predictors", "simulator,bias", **env)
    assert compared["rows"] == 370 and 1.0 < compared["predictors"]["simulator"]["rmse"] < 1.01
    assert compared["predictors"]["simulator-calibrated"]["rmse"] <= compared["predictors"]["simulator"]["rmse"]
    assert answer("runs", "show", compared["run"], **env)["params"]["among"] == "all", "its users are no sample"
    assert "Choose one of its 37 users" in refusal("evolve", "--user", "1", "--model", RECORDED, **env)
    assert "no recording named" in refusal("evolve", "--user", "1", "--model", "recorded:x", **env)
    for experiment in ("ablation", "repeatability", "contamination", "closed-loop"):
        asked = ("experiment", experiment, "--model", RECORDED, "--users", "20", "--yes")
        assert "that the recording last10-37users-plain does not hold" in refusal(*asked, **env)
    card = answer("trust", "--model", RECORDED, **env)
    assert any("connect the model that made it" in verdict["because"] for verdict in card["verdicts"])
    assert "holds no answers" in refusal("recordings", "make", compared["run"], str(tmp_path / "y.jsonl.gz"), **env)
    assert "can't be read" in refusal("recordings", "add", str(tmp_path / "none.jsonl.gz"), **env)
    assert "files engine needs" in refusal("simulate", "--engine", "files", "--users", "2", "--yes", **env)


def test_predictions_of_another_program_by_command(small_world, tmp_path) -> None:
    data = ("--dataset", str(Path(small_world["LUSIFER_DATA"]) / "small"))
    (tmp_path / "theirs.csv").write_text("user,item,prediction\n1,1,3.5\n")
    theirs = ("--predictions", f"theirs={tmp_path / 'theirs.csv'}")
    assert "lacks" in refusal("evaluate", *data, "--predictors", "bias", *theirs, **small_world)
    assert "NAME=FILE.csv" in refusal("evaluate", *data, "--predictors", "bias", "--predictions", "x", **small_world)
