"""The Environment page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Environment",
    icon=":material/sports_esports:",
    help="Train and compare recommenders on simulated users, who rate or skip what they are shown.",
    section="Workshop",
    order=2,
    script="environment.py",
    url_path="playground",
)
