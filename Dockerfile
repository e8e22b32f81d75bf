# One image a service: `make images`, or docker build --target ticket_agent . (feedback_tagger).
# The base must bring python3 3.11 and CA certificates; it needs neither a shell nor pip. Only the build image needs both.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG BUILD_IMAGE=${PYTHON_IMAGE}

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY locks/ticket_agent.txt locks/feedback_tagger.txt locks/
COPY locks/ticket_agent.txt build/wheels* wheels/

# To build without a package index: --build-arg PIP_OPTIONS="--no-index --find-links wheels", the wheels in build/wheels.
FROM build AS ticket_agent_build
ARG PIP_OPTIONS=""
RUN python3 -m pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --target /app/site ${PIP_OPTIONS} \
        -r locks/ticket_agent.txt
COPY shared /app/shared
COPY services/ticket_agent /app/services/ticket_agent
# The root file system is read-only when it runs: what is not compiled now is compiled at every start.
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /app

FROM build AS feedback_tagger_build
ARG PIP_OPTIONS=""
RUN python3 -m pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --target /app/site ${PIP_OPTIONS} \
        -r locks/feedback_tagger.txt \
    # What numpy's own developers need of it, an eighth of the image.
    && rm -rf /app/site/numpy/f2py /app/site/numpy/distutils /app/site/numpy/tests /app/site/numpy/*/tests
COPY shared /app/shared
COPY services/feedback_tagger /app/services/feedback_tagger
# The authorities of RDS, which no system trusts by itself (make images fetches them); DATABASE_CA_FILE names the file.
COPY locks/feedback_tagger.txt build/certificates* /app/certificates/
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /app

FROM ${PYTHON_IMAGE} AS service
ARG PYTHON_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PYTHONPATH=/app:/app/site PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
# With a read-only root this is the one place to write to; the mount takes over these rights.
VOLUME /tmp
USER 10001:10001
# ECS ignores HEALTHCHECK and has its own in the task definition; this one is for docker run.
STOPSIGNAL SIGTERM

FROM service AS ticket_agent
LABEL org.opencontainers.image.title="deskhand-ticket-agent"
COPY --from=ticket_agent_build /app /app
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python3", "-m", "services.ticket_agent", "health"]
ENTRYPOINT ["python3", "-m", "services.ticket_agent"]

FROM service AS feedback_tagger
LABEL org.opencontainers.image.title="deskhand-feedback-tagger"
COPY --from=feedback_tagger_build /app /app
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python3", "-m", "services.feedback_tagger", "health"]
ENTRYPOINT ["python3", "-m", "services.feedback_tagger"]
