"""The explorer: ``python -m lusifer app`` or ``streamlit run app.py``."""

from lusifer import settings
from lusifer.ui import frame

settings.load_env_file()
frame.configure()
frame.run()
