"""The explorer: ``python -m lusifer app`` or ``streamlit run app.py``."""

from lusifer import settings
from lusifer.ui import shell

settings.load_env_file()
settings.configure_logging()
shell.configure()
shell.draw_app()
