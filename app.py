"""The explorer: ``python -m lusifer app`` or ``streamlit run app.py``."""

from lusifer import settings
from lusifer.errors import LusiferError
from lusifer.ui import server, shell

settings.keep_files_private()
shell.configure()
try:
    settings.load_env_file()
    settings.check_switches()
    server.guard()
except LusiferError as error:
    shell.stop_with(error)
settings.configure_logging()
shell.draw_app()
