"""The Users page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Users",
    icon=":material/group:",
    help="Find a user by number, by words or on a map of tastes, and see how they rate.",
    section="Simulated users",
    order=1,
    script="users.py",
    url_path="users",
)
