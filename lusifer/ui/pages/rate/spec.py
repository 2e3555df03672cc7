"""The Predict ratings page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Predict ratings",
    icon=":material/star_half:",
    help="Predict ratings of chosen movies from a profile and compare them with the actual ratings.",
    section="Simulated users",
    order=3,
    script="rate.py",
    url_path="rate",
    asks_model=True,
)
