"""The LLM calls page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="LLM calls",
    icon=":material/receipt_long:",
    help="Every request to a language model, with its answer, price and errors.",
    section="Workshop",
    order=3,
    script="llm_calls.py",
    url_path="calls",
)
