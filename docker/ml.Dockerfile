# The image of prep, train, score and the quality gate: TensorFlow, and no azure-ai-ml. See docker/README.md.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
SHELL ["/bin/sh", "-euc"]
# Optional CA certificates for downloads, mounted as a secret; they stay out of the image.
ENV CA=/run/secrets/ca-certificates
WORKDIR /build
COPY requirements/build.txt requirements/
RUN --mount=type=secret,id=ca-certificates \
    if [ -e "$CA" ]; then export PIP_CERT="$CA"; fi; \
    python -m venv tools; \
    tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements/build.txt; \
    python -m venv --without-pip /opt/venv
# ml or ml-gpu
ARG IMAGE=ml
COPY requirements/${IMAGE}.txt requirements/kfp.txt requirements/
RUN --mount=type=secret,id=ca-certificates \
    if [ -e "$CA" ]; then export SSL_CERT_FILE="$CA"; fi; \
    export UV_NO_CACHE=1 UV_PYTHON=/opt/venv/bin/python UV_REQUIRE_HASHES=1; \
    tools/bin/uv pip install --requirement "requirements/$IMAGE.txt"; \
    tools/bin/uv pip install --no-deps --requirement requirements/kfp.txt
# Removed because no step uses them: headers, libclang, symbol tables, Arrow's Flight server, AWS services other than S3.
# hadolint ignore=DL3003,DL3008
RUN apt-get update; \
    apt-get install --yes --no-install-recommends binutils; \
    cd /opt/venv/lib/python3.*/site-packages || exit 1; \
    rm -r tensorflow/include clang pyarrow/include pyarrow/libarrow_flight*; \
    find . -type f \( -name '*.cc' -o -name '*.h' -o -name '*.pyi' \) -delete; \
    find tensorflow pyarrow \( -name '*.so' -o -name '*.so.*' \) -exec strip --strip-unneeded {} +; \
    find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name 's3*' ! -name 'sts' ! -name 'sso*' -exec rm -r {} +
COPY . .
RUN tools/bin/python -m hatchling build --target wheel; \
    tools/bin/uv pip install --python /opt/venv/bin/python --no-cache --no-deps dist/*.whl; \
    find /opt/venv -type d -name tests -prune -exec rm -r {} +; \
    /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

FROM ${BASE_IMAGE}
ARG IMAGE=ml
ARG BASE_IMAGE
ARG VERSION=0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="kfp-azureml/${IMAGE}" \
      org.opencontainers.image.description="Prepares images, trains and scores Keras classifiers, as steps of a Kubeflow pipeline." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
COPY --from=build /opt/venv /opt/venv
# A step writes only to /tmp and its outputs, so the root file system can be read-only.
# LOGNAME: some libraries ask for a user name, and the uid has no entry in /etc/passwd.
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp LOGNAME=step PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
# A step runs to its end and serves no requests.
HEALTHCHECK NONE
