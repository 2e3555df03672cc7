"""The Prompts page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Prompts",
    icon=":material/edit_note:",
    help="Write prompt versions, try them on a user, compare them on the same users.",
    section="Workshop",
    order=1,
    script="prompts.py",
    url_path="prompts",
)
