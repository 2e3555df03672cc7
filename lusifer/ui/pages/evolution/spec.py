"""The Evolution page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Evolution",
    icon=":material/timeline:",
    help="Watch a profile evolve batch by batch, with forecasts, changes and explanations.",
    section="Simulated users",
    order=2,
    script="evolution.py",
    url_path="evolution",
    asks_model=True,
)
