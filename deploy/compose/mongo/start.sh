# Start MongoDB as a replica set of one with access control. mongod wants the key file to be its own and for nobody else.
set -eu
install -m 400 "${SECRETS:-/run/secrets}/mongodb_keyfile" "${TMPDIR:-/tmp}/keyfile"
exec mongod --dbpath "${DATA:-/data/db}" --bind_ip_all --replSet rs0 --keyFile "${TMPDIR:-/tmp}/keyfile" --nounixsocket \
    --wiredTigerCacheSizeGB "${MONGODB_CACHE_GB:-0.5}" --setParameter transactionLifetimeLimitSeconds=30 "$@"
