"""Server time of a page's script when everything it shows is stored, against a page of one word."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from streamlit.testing.v1 import AppTest

APP = str(Path(__file__).resolve().parents[1] / "app.py")
PAGES = {
    "users": "pages/simulated_users/users.py",
    "evolution": "pages/simulated_users/evolution.py",
    "rate": "pages/simulated_users/rate.py",
    "errors": "pages/evaluation/accuracy.py",
}


def _one_word() -> None:
    import streamlit as st

    st.write("word")


def milliseconds(app: AppTest, times: int = 15) -> float:
    """Median time of a rerun, after three that nobody counts."""
    found = []
    for at in range(times + 3):
        began = time.perf_counter()
        app.run(timeout=120)
        found.append((time.perf_counter() - began) * 1000)
        assert not app.exception, app.exception
        if at < 3:
            found.clear()
    return median(found)


def main() -> None:
    bare = milliseconds(AppTest.from_function(_one_word))
    print(f"one word: {bare:.1f} ms")
    for name, path in PAGES.items():
        app = AppTest.from_file(APP)
        app.query_params["user"] = "405"
        if name != "users":
            app.run(timeout=120)  # a page is known by its address once the app has run
            app.switch_page(path)
        took = milliseconds(app)
        print(f"{name}: {took:.0f} ms, {took / bare:.0f} times")
        if name == "evolution":
            found = []
            for at in range(18):
                button = app.button(key="next" if at % 6 < 3 else "previous")
                began = time.perf_counter()
                button.click().run(timeout=120)
                found.append((time.perf_counter() - began) * 1000)
            step = median(found[3:])
            print(f"evolution, another stored step: {step:.0f} ms, {step / bare:.0f} times")


if __name__ == "__main__":
    main()
