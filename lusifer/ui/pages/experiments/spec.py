"""The Experiments page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Experiments",
    icon=":material/experiment:",
    help="Cold start, rating order, taste shift, contamination and more: open questions, each with an experiment.",
    section="Evaluation",
    order=2,
    script="experiments.py",
    url_path="experiments",
    asks_model=True,
)
