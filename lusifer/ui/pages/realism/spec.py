"""The Realism page in the navigation."""

from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Realism",
    icon=":material/fingerprint:",
    help="Do simulated users rate like real ones? Histograms, means, genre preferences, change over time.",
    section="Evaluation",
    order=3,
    script="realism.py",
    url_path="fidelity",
    asks_model=True,
)
