"""The What-if lab page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="What-if lab",
    icon=":material/touch_app:",
    help="Edit a profile, change or remove ratings, or become a simulated user yourself.",
    section="Simulated users",
    order=4,
    script="what_if_lab.py",
    url_path="hands",
    asks_model=True,
)
