"""The Home page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Home",
    icon=":material/home:",
    help="A profile forming in half a minute, what it is worth, and where to go from here.",
    section="",
    order=0,
    script="home.py",
    url_path="",
)
