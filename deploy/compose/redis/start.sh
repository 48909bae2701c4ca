# Start Redis with its password, which must not stand on a command line. Redis is the container's first process, so that
# it gets the signal to stop and writes its file to the end.
set -eu
umask 077
cat > "${TMPDIR:-/tmp}/redis.conf" <<EOF
dir ${DATA:-/data}
appendonly yes
appendfsync everysec
# a broker that evicts loses messages; full, it refuses more
maxmemory 768mb
maxmemory-policy noeviction
requirepass $(cat "${SECRETS:-/run/secrets}/redis_password")
EOF
exec redis-server "${TMPDIR:-/tmp}/redis.conf" "$@"
