# One image for every process of Voxpop, and for Airflow, whose tasks are Voxpop's jobs.
FROM python:3.12.13-slim-bookworm AS build
# cpu leaves out torch's CUDA libraries (3 GB); auto takes the build that the package index offers, with them.
ARG TORCH_BACKEND=cpu
# Compiled while it is built: the containers' user cannot, so each process would compile every module anew.
ENV PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /build
COPY constraints.txt ./
RUN pip install --constraint constraints.txt uv && python -m venv /srv/voxpop/.venv
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN if [ "$TORCH_BACKEND" != auto ]; then export UV_TORCH_BACKEND="$TORCH_BACKEND"; fi \
    && uv pip install --python /srv/voxpop/.venv/bin/python --constraint constraints.txt '.[kafka,airflow]'

FROM python:3.12.13-slim-bookworm
# Whoever owns the files in secrets/ (`make env` notes it), so that they need be readable to nobody else.
ARG UID=10001
ARG GID=10001
RUN groupadd --non-unique --gid "$GID" voxpop \
    && useradd --non-unique --uid "$UID" --gid "$GID" --home-dir /var/lib/voxpop --no-create-home voxpop \
    && install --directory --owner "$UID" --group "$GID" --mode 0700 /var/lib/voxpop /var/lib/airflow
COPY --from=build /srv/voxpop/.venv /srv/voxpop/.venv
COPY consumers /srv/voxpop/consumers
COPY dags /srv/voxpop/dags
COPY deploy/healthy.py /srv/voxpop/deploy/healthy.py
ENV PATH=/srv/voxpop/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/voxpop \
    VOXPOP_HOME=/var/lib/voxpop \
    AIRFLOW_HOME=/var/lib/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/srv/voxpop/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=false
WORKDIR /srv/voxpop
# By number, so that Kubernetes can see that it is not root.
USER $UID:$GID
CMD ["voxpop", "run"]
