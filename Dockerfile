FROM python:3.12-slim
RUN useradd --create-home --uid 10001 lusifer
WORKDIR /app
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt -c constraints.txt
COPY app.py pyproject.toml LICENSE README.md ./
COPY .streamlit .streamlit
COPY pages pages
COPY recordings recordings
COPY lusifer lusifer
# Data is fetched at the first start and kept in the volume, never in the image: MovieLens 100K may
# not be redistributed. A named volume takes this folder's owner.
RUN mkdir data && chown lusifer data
USER lusifer
VOLUME /app/data
EXPOSE 8501
HEALTHCHECK --start-period=90s --interval=30s --timeout=5s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health', timeout=4)"]
# The app opens without data too, and says how to get it. exec: the launcher itself is told to stop.
CMD ["sh", "-c", "python -m lusifer data fetch ml-100k; exec python -m lusifer app --host 0.0.0.0 --no-browser"]
