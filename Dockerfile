FROM python:3.12.12-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY streams streams
COPY alerts alerts
COPY monitor monitor
RUN python -m venv /opt/xmon && /opt/xmon/bin/pip install --no-cache-dir .

FROM python:3.12.12-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin xmon
COPY --from=build /opt/xmon /opt/xmon
ENV PATH=/opt/xmon/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 9464 9465
ENTRYPOINT ["xmon"]
CMD ["run"]
