FROM python:3.12-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
# Data is fetched at the first start and kept in the volume, never in the image: MovieLens 100K may
# not be redistributed.
VOLUME /app/data
EXPOSE 8501
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health')"
CMD ["sh", "-c", "python -m lusifer data fetch ml-100k; exec streamlit run app.py --server.address 0.0.0.0 --server.headless true"]
