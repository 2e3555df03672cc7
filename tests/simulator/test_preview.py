"""What would be asked, and what is wrong with it, before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lusifer import prompts
from lusifer.llm import prices
from lusifer.simulator import LLMUserModel, StatisticalUserModel, evolve, make_evolution_spec
from lusifer.simulator.preview import context_at, preview_prompt
from lusifer.simulator.prompt_variables import variables_of
from tests.datasets.test_splits import Listener


@pytest.fixture(scope="module")
def steps(ml100k, last10):
    model = StatisticalUserModel()
    return list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 405, model)))


@pytest.mark.parametrize("name", list(prompts.SHIPPED))
@pytest.mark.parametrize("template", prompts.TEMPLATES)
def test_the_preview_is_what_is_asked(ml100k, last10, steps, name, template) -> None:
    p = prompts.load(name)
    items = ml100k.items_of(last10.test.of_user(405).item)
    context = context_at(ml100k, last10, 405, steps, template, 2)
    found = preview_prompt(p, template, context, items)
    assert not found.mistakes and set(found.values) >= set(variables_of(template)) - {"profile"}
    model = LLMUserModel(Listener(), p)
    asked = model.update_question(context) if context.batch else model.rate_questions(context, items)[0]
    assert list(found.messages[:2]) == asked[0] and found.most == asked[1]["max_tokens"]
    said = sum(len(m.content) for m in found.messages)
    assert sum(found.sizes.values()) - found.sizes["schema"] == pytest.approx(said, abs=5)
    assert len(found.messages) == (3 if template == "repair" else 2)


def test_the_first_profile_has_a_template_of_its_own(ml100k, last10, steps) -> None:
    p = (
        prompts.load()
        .with_template("first", "FIRST {{ batch|length }}")
        .with_template("update", "LATER {{ batch|length }}")
    )
    listener = Listener()
    model = LLMUserModel(listener, p)
    list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 405, model, history=20)))
    assert "FIRST 10" in listener.heard and "LATER 10" in listener.heard


def test_history_batches_and_metadata_are_a_version_s_own(ml100k, last10) -> None:
    p = replace(prompts.load(), history=20, batch_size=5, metadata=())
    listener = Listener()
    model = LLMUserModel(listener, p)
    what = make_evolution_spec(ml100k, last10, 13, model)
    assert (what.history, what.batch_size) == (20, 5)
    assert len(list(evolve(ml100k, last10, model, what))) == 4
    asked = "\n".join(t for t in listener.heard if "NEW RATINGS" in t or "MOVIES TO RATE" in t)
    assert "title | rating" in asked and "Drama" not in asked and "dramas:" not in asked
    assert make_evolution_spec(ml100k, last10, 13, model, history=40).history == 40


def test_mistakes_of_every_template_keep_it_from_being_sent(ml100k, last10, steps) -> None:
    p = prompts.load().with_template("rate", "{{ profle }}").with_template("repair", "{% if %}")
    found = preview_prompt(p, "update", context_at(ml100k, last10, 405, steps, "update", 2), ())
    assert found.messages == () and {m.template for m in found.mistakes} == {"rate", "repair"}


def test_too_long_for_the_model_is_a_mistake(ml100k, last10, steps, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted")
    assert prices.context_window("https://api.openai.com/v1|gpt-4o-mini") == 128_000
    assert prices.context_window("https://api.openai.com/v1|nobody-knows") is None
    p = prompts.load().with_template("update", "word " * 3_500 + "{{ facts }}")
    context = context_at(ml100k, last10, 405, steps, "update", 2)
    assert not preview_prompt(p, "update", context, (), "openai:gpt-4o-mini").mistakes
    (one,) = preview_prompt(p, "update", context, (), "openai:gpt-4o-mini", tokens_per_character=9.0).mistakes
    assert "128,000" in one.message and one.template == "update"
