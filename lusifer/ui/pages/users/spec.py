"""The Users page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Users",
    icon=":material/group:",
    help="Find a user and see their history, rating distribution and genre preferences.",
    section="Simulated users",
    order=1,
    script="users.py",
    url_path="",
)
