"""``prompts suggest``: a model proposes three changes of a version from its worst answers of development users."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lusifer.cli import common_options
from lusifer.cli.common_options import add_budget_option, add_data_options, add_price_options
from lusifer.errors import InvalidInputError

if TYPE_CHECKING:
    from lusifer.prompts import PromptVersion
    from lusifer.runs.prompt_suggestions import AnsweredVersion
    from lusifer.store import Store


def add_action(actions: Any) -> argparse.ArgumentParser:
    """Add ``suggest`` to the command ``prompts``."""
    command: argparse.ArgumentParser = actions.add_parser(
        "suggest", help="have a model propose three changes of a version from its worst stored answers"
    )
    command.add_argument(
        "name", nargs="?", default="active", metavar="VERSION", help="a version (v4), shipped set or label (active)"
    )
    command.add_argument("--model", required=True, help="the model that proposes, such as openai:MODEL")
    command.add_argument("--run", dest="source", metavar="RUN", default="", help="learn from this comparison alone")
    command.add_argument("--draw", type=int, default=0, help="another number asks for other changes (default: 0)")
    command.add_argument("--save", action="store_true", help="save the changes that pass as draft versions")
    add_data_options(command)
    add_budget_option(command)
    add_price_options(command)
    command.set_defaults(run=_run_suggest, seed=0)
    return command


def _run_suggest(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer import settings
    from lusifer.prompts import versions
    from lusifer.runs import prompt_suggestions
    from lusifer.simulator import UserModelConfig
    from lusifer.store import Store

    store = Store(settings.database_path())
    versions.ensure_shipped_versions(store)
    base = versions.save(store, versions.resolve(options.name, store))
    dataset, split = common_options.load_data(options, store)
    ctx = common_options.build_run_context(options, dataset, split, store)
    config = UserModelConfig(options.model, budget=common_options.build_budget(options))
    answered = _find_answers(prompt_suggestions.list_answered_versions(ctx), base, options)
    cost = prompt_suggestions.estimate_suggestions(ctx, config, answered, options.draw)
    price = common_options.confirm_price(options, cost, f"Three changes of {base.name}")
    if price is not None:
        return price
    run = prompt_suggestions.suggest_edits(ctx, config, answered, draw=options.draw)
    suggestions = [
        {
            "template": change.template,
            "reason": change.reason,
            "text": change.text,
            "problems": list(change.problems),
            "version": _save(store, base, change, options),
            "diff": [
                line
                for difference in versions.diff(base.prompts, prompt_suggestions.changed_prompts(base, change))
                if difference.part == change.template
                for line in difference.lines
            ],
        }
        for change in prompt_suggestions.read_changes(run.row)
    ]
    if not options.json:
        _print_suggestions(base, suggestions, f"--models {options.model} --users-of {answered.run['id']}")
        print(f"run {run.id}")
    return {"run": run.id, "base": base.name, "learned_from": answered.run["id"], "suggestions": suggestions}


def _find_answers(answered: list[AnsweredVersion], base: PromptVersion, options: argparse.Namespace) -> AnsweredVersion:
    from lusifer.runs import prompt_suggestions

    of_run = [a for a in answered if options.source in {"", a.run["id"]}]
    found = prompt_suggestions.choose_answered(of_run, base.number, options.model)
    if found is None:
        where = f"run {options.source}" if options.source else "a stored comparison on this dataset and split"
        raise InvalidInputError(
            f"There are no answers of {base.name} in {where}.",
            f"Compare first: lusifer prompts compare {base.name} concise --models {options.model}.",
        )
    return found


def _save(store: Store, base: PromptVersion, change: Any, options: argparse.Namespace) -> str | None:
    """The version that a change is or was saved as."""
    from lusifer.runs import prompt_suggestions

    if options.save and not change.problems:
        return prompt_suggestions.save_change(store, base, change, options.model).name
    saved = prompt_suggestions.find_saved(store, base, change)
    return saved.name if saved else None


def _print_suggestions(base: PromptVersion, suggestions: list[dict[str, Any]], same: str) -> None:
    for number, suggestion in enumerate(suggestions, 1):
        saved = f", saved as {suggestion['version']}" if suggestion["version"] else ""
        print(f"{number}. {suggestion['template']} of {base.name}{saved}\n   {suggestion['reason']}")
        for problem in suggestion["problems"]:
            print(f"   can't be used as it is: {problem}")
        print("\n".join(f"   {line}" for line in suggestion["diff"]))
    if saved_names := [s["version"] for s in suggestions if s["version"]]:
        print(f"To test: lusifer prompts compare {base.name} {' '.join(saved_names)} {same}")
