# Ballast in a container: README.md says how to run it, `npm run test:container` tries it.

FROM node:24-bookworm-slim AS program
WORKDIR /app
COPY package.json package-lock.json ./
# The optional packages are the Node that the base image has already.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && rm package-lock.json
COPY LICENSE ./
COPY config config
COPY src src

# One start and stop with nothing to do fills Node's compile cache: containers start in half the
# time, with 35 MB less for each process. It counts for this user id and this kind of CPU; others
# start as without it.
FROM program AS compiled
USER 1000:1000
ENV NODE_COMPILE_CACHE=/tmp/cache
RUN echo '{ global: { workers: 1 }, admin: { address: 127.84.4.4 }, virtualServices: [] }' \
      > /tmp/none; \
    node /app/src/main.ts run --config /tmp/none > /tmp/log & \
    timeout 60 sh -c 'until grep -q "\"msg\":\"ready\"" /tmp/log; do sleep 0.1; done' && \
    kill $! && wait $! && chmod -R a+rX /tmp/cache

FROM node:24-bookworm-slim
COPY --from=program /app /app
# Whoever got into Ballast must not be able to write code for its next start.
COPY --from=compiled --chown=0:0 /tmp/cache /app/cache
WORKDIR /app
ENV NODE_COMPILE_CACHE=/app/cache \
    BALLAST_READY_URL=http://127.0.0.1:8444/ready
# The base image's user "node"; as a number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 80 443 25 110 143 465 587 993 995
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "-e", "\
  require('node:http').get(process.env.BALLAST_READY_URL, (answer) => {\
    process.exitCode = answer.statusCode === 200 ? 0 : 1;\
    answer.pipe(process.stdout);\
  }).on('error', (error) => {\
    process.exitCode = 1;\
    console.log(error.message);\
  })"]
ENTRYPOINT ["node", "/app/src/main.ts"]
CMD ["run", "--config", "/etc/ballast/ballast.yaml"]
