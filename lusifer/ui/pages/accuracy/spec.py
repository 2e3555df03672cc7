"""The Accuracy page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Accuracy",
    icon=":material/query_stats:",
    help="Prediction error of the simulator and of baselines on the test set.",
    section="Evaluation",
    order=1,
    script="accuracy.py",
    url_path="errors",
    asks_model=True,
)
