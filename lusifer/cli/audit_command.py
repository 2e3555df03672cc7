"""``audit``: the statements of one user's evolution held against the ratings, with a judge's opinion on request."""

from __future__ import annotations

import argparse
from typing import Any

from lusifer.cli.common_options import add_evolution_options, build_budget
from lusifer.cli.evolve_command import evolve_user

MARKS = {"supported": "✓", "unsupported": "✗", "uncheckable": "?"}


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("audit", help="hold the statements about a user against the ratings")
    add_evolution_options(command)
    command.add_argument(
        "--judge", metavar="ENDPOINT:MODEL", help="ask this language model for a second opinion on every statement"
    )
    command.set_defaults(run=_run_audit)
    return [command]


def _run_audit(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.evaluation import RunContext
    from lusifer.evaluation.audit import audit
    from lusifer.runs import judgement, tables

    dataset, split, _, spec, steps, store = evolve_user(options)
    audited = audit(dataset, steps)
    claims: list[dict[str, Any]] = [
        {"step": c.step, "kind": c.kind, "text": c.text, "verdict": c.verdict, "why": c.why} for c in audited.claims
    ]
    result: dict[str, Any] = {"faithfulness": audited.faithfulness if claims else None, "claims": claims}
    if options.judge:
        ctx = RunContext(dataset, split, store)
        run = judgement.run_judgement(ctx, options.judge, {spec.user: steps}, budget=build_budget(options))
        result |= {"run": run.id, "judge": options.judge, "agreement": run.summary["agreement"][0]}
        rows = tables.read_table(run.id)
        told = rows.to_dict("records") if rows is not None else []
        opinions = {(r["step"], r["text"]): r for r in told}
        for claim in claims:
            opinion = opinions.get((claim["step"], claim["text"]))
            claim |= {name: opinion[name] if opinion else None for name in ("judge", "judge_why")}
    if not options.json:
        _print_claims(result)
    return result


def _print_claims(result: dict[str, Any]) -> None:
    step = 0
    for claim in result["claims"]:
        if claim["step"] != step:
            step = claim["step"]
            print(f"Step {step}")
        print(f"  {MARKS[claim['verdict']]} {claim['text']}\n      {claim['why']}")
        if claim.get("judge") and claim["judge"] != claim["verdict"]:
            print(f"      The judge: {MARKS[claim['judge']]} {claim['judge_why']}")
    total = len(result["claims"])
    counts = {v: sum(c["verdict"] == v for c in result["claims"]) for v in MARKS}
    print(
        f"{total} statements: {counts['supported']} supported, {counts['unsupported']} not, {counts['uncheckable']} "
        "not checkable"
    )
    if result.get("agreement") is not None:
        print(f"{result['judge']} agrees with the audit on {result['agreement']:.0%} of them (run {result['run']})")
