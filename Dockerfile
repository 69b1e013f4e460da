# The service of docs/serve.md: no network when it runs, an ordinary user, everything in /station.
FROM python:3.13-slim
COPY . /opt/onepass
RUN python -m pip install --no-cache-dir --constraint /opt/onepass/constraints.txt '/opt/onepass[serve,openvino]' \
    && rm -rf /opt/onepass \
    && useradd --create-home --uid 10001 inspector \
    && mkdir /station \
    && chown inspector /station
USER inspector
WORKDIR /station
VOLUME /station
ENV HOME=/tmp PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=5); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["onepass"]
CMD ["serve", "model", "--cache", "features.h5", "--host", "0.0.0.0"]
